package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"framescope/decode/record"
)

// version is set by the linker (Makefile).
var version = ""

// A build says which framescope this is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
	Schema  string `json:"schema"` // of the records
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Schema: record.Schema}
	if info, ok := debug.ReadBuildInfo(); ok {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Commit = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

func newVersion(std stdio) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of framescope and of its records",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			switch format {
			case "json":
				return writeJSON(std.out, b)
			case "table":
				_, err := fmt.Fprintf(std.out, "framescope %s  %s  %s  records %s\n", b.Version, b.Go, b.System, b.Schema)
				return err
			}
			return fmt.Errorf("--output %q: expected table or json", format)
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "table", "`format`: table or json")
	return c
}
