package sockets

import (
	"strings"
	"testing"
	"time"

	"framescope/probes/sockdiag"
)

// list reads a file of /proc/net.
func listProc(t testing.TB, k Kind, text string) (all []*Row) {
	w := walk{l: &Lister{}, q: &Query{}, yield: func(r *Row, err error) bool {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Clone())
		return true
	}}
	if err := w.procFile(k, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestProc(t *testing.T) {
	all := listProc(t, TCP, `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 4711 1 00000000e3a06e03 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000005:00000007 02:000003E8 00000002     0        0 4712 1 00000000e3a06e03 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:C351 06 00000000:00000000 03:00000BB8 00000000     0        0 0 3 00000000e3a06e03
   nonsense
`)
	if len(all) != 3 {
		t.Fatalf("%d rows", len(all))
	}
	if r := all[0]; r.State != sockdiag.Listen || r.Src.String() != "127.0.0.1:8080" || r.RQueue != 3 || r.UID != 1000 || r.Inode != 4711 || !r.FromProc {
		t.Errorf("%+v", r)
	}
	if r := all[1]; r.Dst.String() != "127.0.0.1:50000" || r.WQueue != 5 || r.RQueue != 7 || r.Timer != sockdiag.TimerKeepalive || r.Expires != 10*time.Second || r.Retrans != 2 {
		t.Errorf("%+v", r)
	}
	if r := all[2]; r.State != sockdiag.TimeWait || r.Full || r.HasUID {
		t.Errorf("%+v", r)
	}
	all = listProc(t, UDP, "head\n 4: 0000000000000000FFFF00000100007F:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 99 2 0 0\n")
	if len(all) != 1 || all[0].Family != sockdiag.IPv6 || all[0].Src.String() != "[::ffff:127.0.0.1]:53" || all[0].Inode != 99 {
		t.Errorf("%+v", all)
	}
	all = listProc(t, Unix, `Num       RefCount Protocol Flags    Type St Inode Path
000000004e11a0b7: 00000003 00000000 00000000 0001 03  1596
000000000086565b: 00000002 00000000 00010000 0001 01  1595 /run/a path
000000000086565c: 00000002 00000000 00000000 0002 01  1594 @abstract
`)
	if len(all) != 3 || all[0].State != sockdiag.Established || all[1].State != sockdiag.Listen || all[1].Name != "/run/a path" || all[2].Name != "\x00abstract" || all[2].Refs != 2 {
		t.Errorf("%+v", all)
	}
	all = listProc(t, Packet, "head\n000000000086565b 3      3    0003   2     1 1000   0      4242\n")
	if len(all) != 1 || all[0].Protocol != 3 || all[0].Interface != 2 || all[0].RQueue != 1000 || all[0].Inode != 4242 {
		t.Errorf("%+v", all)
	}
	all = listProc(t, Netlink, "head\n00000000e3a06e03 15  815        00000002 7        8        0     2        0        16384   \n")
	if len(all) != 1 || all[0].Protocol != 15 || all[0].PortID != 815 || all[0].RQueue != 7 || all[0].Inode != 16384 {
		t.Errorf("%+v", all)
	}
}

// Whatever stands in /proc/net, it is read to its end.
func FuzzProc(f *testing.F) {
	f.Add("head\n 0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 4711 1\n")
	f.Add("head\n0: 3 0 0 1 3 1596 /a b\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<16 {
			return // longer lines are refused
		}
		for k := range parsers {
			listProc(t, k, text)
		}
	})
}
