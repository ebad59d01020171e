//go:build man

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// addBuildTime adds what is needed to build a release, not to use it.
func addBuildTime(root *cobra.Command) {
	var dir string
	c := &cobra.Command{
		Use:    "man",
		Short:  "Write manual pages",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return err
			}
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "framescope", Manual: "framescope manual"}, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "man", "`directory` to write to")
	root.AddCommand(c)
}
