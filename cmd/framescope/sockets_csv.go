package main

import (
	"bufio"
	"encoding/csv"
	"strconv"

	"framescope/cmd/framescope/internal/output"
	"framescope/probes/sockets"
)

// csvRows prints sockets as CSV.
type csvRows struct {
	f     *socketsFlags
	w     *csv.Writer
	begun bool
}

var csvHeads = []string{
	"netns", "transport", "type", "state", "recv_q", "send_q", "local_ip", "local_port", "peer_ip", "peer_port", "path",
	"user_id", "user", "inode", "cookie", "timer", "expires_ms", "retrans", "drops", "pids", "processes", "service",
}

func newCSVRows(f *socketsFlags) *csvRows {
	return &csvRows{f: f, w: csv.NewWriter(bufio.NewWriterSize(f.out, 64<<10))}
}

func (p *csvRows) print(r *sockets.Row) error {
	if !p.begun {
		p.begun = true
		if p.f.noHeader {
			return p.print(r)
		}
		if err := p.w.Write(csvHeads); err != nil {
			return err
		}
	}
	rec := p.f.record(r)
	row := make([]string, len(csvHeads))
	port := func(n uint16) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(int(n))
	}
	row[0], row[1], row[2], row[3] = output.Visible(rec.Netns), rec.Network.Transport, rec.Network.Type, rec.Socket.State
	row[4], row[5] = strconv.FormatUint(uint64(r.RQueue), 10), strconv.FormatUint(uint64(r.WQueue), 10)
	if rec.Local != nil {
		row[6], row[7], row[10] = rec.Local.IP, port(rec.Local.Port), output.Visible(rec.Local.Path)
	}
	if rec.Peer != nil {
		row[8], row[9] = rec.Peer.IP, port(rec.Peer.Port)
	}
	if rec.User != nil {
		row[11], row[12] = strconv.FormatUint(uint64(rec.User.ID), 10), output.Visible(rec.User.Name)
	}
	if r.Inode != 0 {
		row[13] = strconv.FormatUint(uint64(r.Inode), 10)
	}
	row[14], row[15] = rec.Socket.Cookie, rec.Socket.Timer
	if rec.Socket.Expires != nil {
		row[16] = strconv.FormatFloat(*rec.Socket.Expires, 'f', -1, 64)
	}
	row[17] = strconv.Itoa(int(r.Retrans))
	if rec.Socket.Drops != nil {
		row[18] = strconv.FormatUint(uint64(*rec.Socket.Drops), 10)
	}
	for i, o := range rec.Process {
		if i > 0 {
			row[19] += " "
			row[20] += " "
		}
		row[19] += strconv.Itoa(o.PID)
		row[20] += processName(o.Name)
	}
	row[21] = output.Visible(rec.Service)
	if err := p.w.Write(row); err != nil {
		return err
	}
	for _, s := range r.Subflows {
		if err := p.print(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *csvRows) close() error {
	if !p.begun && !p.f.noHeader {
		_ = p.w.Write(csvHeads)
	}
	p.w.Flush()
	return p.w.Error()
}
