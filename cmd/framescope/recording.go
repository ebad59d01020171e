package main

import (
	"os"
	"strings"
	"time"

	"framescope/capture/pcapfile"
	"framescope/capture/ring"
)

// newRecorder creates the file that a capture is written to.
func newRecorder(f *captureFlags, src *ring.Source, now time.Time) (*pcapfile.Recorder, error) {
	c := pcapfile.RecorderConfig{
		WriterConfig: pcapfile.WriterConfig{
			Application: "framescope " + thisBuild().Version,
			OS:          release("unknown system"),
			Comment:     "framescope " + strings.Join(os.Args[min(1, len(os.Args)):], " ") + "\nraw packets: nothing is redacted",
		},
		RotateSize: int64(f.rotateSize), RotateEvery: f.rotateEvery, Keep: f.keep,
	}
	r, err := pcapfile.Create(f.file, now, &c)
	if err != nil {
		return nil, err
	}
	for _, i := range src.Interfaces() {
		if _, err := r.AddInterface(&i); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}
