//go:build !linux

package main

func isDown(error) bool { return false }
