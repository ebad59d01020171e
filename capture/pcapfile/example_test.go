package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"

	"framescope/capture/pcapfile"
)

func ExampleReader() {
	capture := little.pcap(micro, 65535, 1, little.record(1600000000, 250000, "one"), little.record(1600000001, 0, "two"))
	capture = capture[:len(capture)-1] // whoever wrote it was stopped

	r, err := pcapfile.NewReader(bytes.NewReader(capture), "x.pcap", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	var b pcapfile.Batch
	for {
		if err := r.Read(&b); err == io.EOF {
			return
		} else if err != nil {
			fmt.Println(err)
			return
		}
		for _, p := range b.Packets {
			fmt.Printf("packet %d: %s\n", p.Number, p.Data)
		}
	}
	// Output:
	// packet 1: one
	// x.pcap: packet 2: offset 43: record: file ends inside it, 18 of 19 bytes are there
}
