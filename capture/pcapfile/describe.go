package pcapfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Options that only the Writer knows.
const (
	optFlags     = 2 // of a packet
	optStartTime = 2 // of statistics
	optEndTime   = 3

	nanoseconds = 9 // if_tsresol
)

var le = binary.LittleEndian

// appendOption appends an option. What is longer than an option can be is cut.
func appendOption(b []byte, code uint16, value []byte) []byte {
	value = value[:min(len(value), math.MaxUint16)]
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, "\x00\x00\x00"[:-len(value)&3]...)
}

// appendText appends an option, unless it is empty. It is cut between
// characters.
func appendText(b []byte, code uint16, s string) []byte {
	if s == "" {
		return b
	}
	if len(s) > math.MaxUint16 {
		n := math.MaxUint16
		for i := 0; i < utf8.UTFMax && !utf8.RuneStart(s[n]); i++ {
			n--
		}
		s = s[:n]
	}
	return appendOption(b, code, []byte(s))
}

// appendEnd ends the options that begin at start, if there are any.
func appendEnd(b []byte, start int) []byte {
	if len(b) > start {
		b = appendOption(b, optEnd, nil)
	}
	return b
}

// appendTime appends a time in nanoseconds, the upper half first.
func appendTime(b []byte, t time.Time) []byte {
	ns := uint64(0)
	if !t.IsZero() {
		ns = uint64(max(t.UnixNano(), 0))
	}
	b = le.AppendUint32(b, uint32(ns>>32))
	return le.AppendUint32(b, uint32(ns))
}

// sectionBody returns the body of a section header.
func sectionBody(c *WriterConfig) []byte {
	b := le.AppendUint32(nil, byteOrderMagic)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, math.MaxUint64) // the length of the section: to the end
	b = appendText(b, optHardware, c.Hardware)
	b = appendText(b, optOS, c.OS)
	b = appendText(b, optApplication, c.Application)
	b = appendText(b, optComment, c.Comment)
	return appendEnd(b, sectionFields)
}

// AddInterface describes an interface, and returns what Packet.Interface is
// for its packets. It may be called at any time.
//
// Resolution and Offset of i are not used: timestamps are in nanoseconds since
// 1970. Neither are its counts: they are for Statistics.
func (w *Writer) AddInterface(i *Interface) (uint16, error) {
	if w.ifaces > math.MaxUint16 {
		return 0, fmt.Errorf("more than %d interfaces", math.MaxUint16+1)
	}
	b := le.AppendUint16(nil, i.Link)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, i.SnapLen)
	b = appendText(b, optName, i.Name)
	b = appendText(b, optDescription, i.Description)
	if i.Speed > 0 {
		b = appendOption(b, optSpeed, le.AppendUint64(nil, i.Speed))
	}
	b = appendOption(b, optResolution, []byte{nanoseconds})
	if i.Filter != "" {
		b = appendText(b, optFilter, string(rune(filterIsText))+i.Filter)
	}
	b = appendText(b, optInterfaceOS, i.OS)
	if i.FCS >= 0 && i.FCS < largestInBytes {
		// in bytes: so do those read it who read it at all
		b = appendOption(b, optFCS, []byte{byte(i.FCS)})
	}
	b = appendText(b, optInterfaceHW, i.Hardware)
	if err := w.block(blockInterface, appendEnd(b, interfaceFields)); err != nil {
		return 0, err
	}
	w.ifaces++
	return uint16(w.ifaces - 1), nil
}

// Statistics writes how many packets an interface received and dropped since
// the capture began, -1 for what is not known; and when that was, and when it
// was counted, each of which may be zero. The last ones in a file count.
func (w *Writer) Statistics(iface uint16, received, dropped int64, start, end time.Time) error {
	if w.err == nil && uint32(iface) >= w.ifaces {
		return fmt.Errorf("statistics of interface %d, of %d that were added", iface, w.ifaces)
	}
	return w.block(blockStatistics, statisticsBody(iface, received, dropped, start, end))
}

func statisticsBody(iface uint16, received, dropped int64, start, end time.Time) []byte {
	b := le.AppendUint32(nil, uint32(iface))
	b = appendTime(b, end)
	n := len(b)
	if !start.IsZero() {
		b = appendOption(b, optStartTime, appendTime(nil, start))
	}
	if !end.IsZero() {
		b = appendOption(b, optEndTime, appendTime(nil, end))
	}
	if received >= 0 {
		b = appendOption(b, optReceived, le.AppendUint64(nil, uint64(received)))
	}
	if dropped >= 0 {
		b = appendOption(b, optDropped, le.AppendUint64(nil, uint64(dropped)))
	}
	return appendEnd(b, n)
}

// Secrets writes what decrypts packets behind it: of one of the types
// SecretTLS and so on, at most 1 MiB.
func (w *Writer) Secrets(typ uint32, data []byte) error {
	if len(data) > largestOptions {
		return fmt.Errorf("%d bytes of secrets, at most %d can be written at once", len(data), largestOptions)
	}
	b := le.AppendUint32(nil, typ)
	b = le.AppendUint32(b, uint32(len(data)))
	return w.block(blockSecrets, append(b, data...))
}
