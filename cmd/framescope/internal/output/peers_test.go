package output

import "testing"

// Addresses are shortened in the middle; ports stay.
func TestCutPeers(t *testing.T) {
	const long = "[2001:b07:a3d:c112:9a00:ba78:86b1:e177]"
	for _, row := range []struct {
		peers string
		room  int
		want  string
	}{
		{"10.0.0.7:1 > 10.0.0.2:443", 40, "10.0.0.7:1 > 10.0.0.2:443"},
		{"192.168.12.169:46160 > 69.171.250.20:443", 37, "192....2.169:46160 > 69.1...50.20:443"},
		{long + ":48594 > [2001:67c:4e8:f004::9]:443", 47, "[2001:b...1:e177]:48594 > [2001:6...004::9]:443"},
		{long + ":48594 > [::1]:443", 40, "[2001:b07...86b1:e177]:48594 > [::1]:443"},
		{"2001:b07:a3d:c112:9a00:ba78:86b1:e177 > ff02::16", 30, "2001:b07...6b1:e177 > ff02::16"},
		{"10.0.0.7 > 224.0.0.251", 12, "10....7 > 22...51"},
		{"? > ?", 5, "? > ?"},
		{"a name and nothing else", 10, "a name ..."},
	} {
		got := cutPeers(row.peers, row.room)
		if got != row.want {
			t.Errorf("%s in %d:\n got %s (%d)\nwant %s (%d)", row.peers, row.room, got, len(got), row.want, len(row.want))
		}
	}
}
