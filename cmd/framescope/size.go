package main

import (
	"errors"
	"strconv"
	"strings"
)

// A size is a flag for a number of bytes, such as 64M.
type size int64

func (s *size) String() string {
	n, units := int64(*s), []string{"", "K", "M", "G"}
	for n >= 1024 && n%1024 == 0 && len(units) > 1 {
		n, units = n/1024, units[1:]
	}
	return strconv.FormatInt(n, 10) + units[0]
}

func (s *size) Type() string { return "size" }

func (s *size) Set(v string) error {
	digits := strings.TrimSuffix(strings.ToUpper(v), "B")
	if len(digits) < len(v) {
		digits = strings.TrimSuffix(digits, "I")
	}
	shift := 0
	switch {
	case strings.HasSuffix(digits, "K"):
		shift = 10
	case strings.HasSuffix(digits, "M"):
		shift = 20
	case strings.HasSuffix(digits, "G"):
		shift = 30
	}
	if shift > 0 {
		digits = digits[:len(digits)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > 1<<40>>shift {
		return errors.New("expected a number of bytes such as 500000, 64K, 256M or 1G")
	}
	*s = size(n << shift)
	return nil
}
