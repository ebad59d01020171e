package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

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

func ExampleRecorder() {
	dir, err := os.MkdirTemp("", "capture")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	now := time.Date(2026, 11, 20, 16, 30, 0, 0, time.UTC)
	r, err := pcapfile.Create(filepath.Join(dir, "x.pcapng"), now, &pcapfile.RecorderConfig{RotateEvery: time.Hour, Keep: 24})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	eth0, err := r.AddInterface(&pcapfile.Interface{Name: "eth0", Link: 1, SnapLen: 262144})
	if err != nil {
		fmt.Println(err)
		return
	}
	// for each batch of packets, and when there are none for a while
	batch := []pcapfile.Packet{{Data: make([]byte, 60), Wire: 60, Time: now.UnixNano(), Interface: eth0}}
	if err := r.Packets(batch); err != nil {
		fmt.Println(err)
	}
	if err := r.FlushDue(now.Add(time.Second)); err != nil {
		fmt.Println(err)
	}
	_, packets, bytes := r.Written()
	fmt.Println(filepath.Base(r.Name()), packets, bytes)
	// Output: x_00001_20261120163000.pcapng 1 168
}
