//go:build !linux

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"framescope/probes/lab"
)

func newLab(stdio) *cobra.Command {
	return &cobra.Command{
		Use: "lab", Short: "Be a network in private namespaces (linux only)", DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error { return fmt.Errorf("lab: %w", lab.ErrNotSupported) },
	}
}
