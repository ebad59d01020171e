package record

import "framescope/decode/finding"

var severities = []string{finding.Note.String(), finding.Warning.String(), finding.Error.String()}

var findingFields = []Field{
	words(findings, text("finding.id", "What kind of finding it is: see the catalogue.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Finding).ID.String()) })),
	words(severities, text("finding.severity", "error (it failed, or broke a MUST), warning (it works, but will bite), note (worth knowing).", func(r Record, _ int) (string, bool) {
		return r.(*Finding).ID.Severity().String(), true
	})),
	text("finding.layer", "Where it belongs: capture, dns, tcp, tls, http, proxy, protocol (WebSocket), app.", func(r Record, _ int) (string, bool) {
		return ifSome(r.(*Finding).ID.Info().Layer)
	}),
	text("finding.title", "What was found, in one line.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Finding).ID.Info().Title) }),
	text("finding.cause", "Why that happens.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Finding).ID.Info().Cause) }),
	text("finding.fix", "What mends it; alternatives stand on lines of their own.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Finding).ID.Info().Fix) }),
	text("finding.rfc", "The section that is the measure.", func(r Record, _ int) (string, bool) { return ifSome(r.(*Finding).ID.Info().RFC) }),
	{
		Name: "finding.evidence", Kind: KindObjects, Many: true, Doc: "What the finding rests on.",
		len: evidences,
		Sub: []Field{
			{
				Name: "finding.evidence.packet", Kind: KindInt, Many: true, Doc: "Number of the packet.", len: evidences,
				num: func(r Record, i int) (int64, bool) { return unlessZero(r.(*Finding).Evidence[i].Packet) },
			},
			{
				Name: "finding.evidence.offset", Kind: KindInt, Many: true, Doc: "Stream offset in bytes.", len: evidences,
				num: func(r Record, i int) (int64, bool) { return ifCounted(r.(*Finding).Evidence[i].Off) },
			},
			{
				Name: "finding.evidence.text", Kind: KindString, Many: true, Doc: "What was found and what was expected there.", len: evidences,
				str: func(r Record, i int) (string, bool) { return ifSome(r.(*Finding).Evidence[i].Text) },
			},
		},
	},
}

func evidences(r Record) int { return len(r.(*Finding).Evidence) }

func skips(r Record) int { return len(r.(*Summary).Skipped) }

func left(r Record) int { return len(r.(*Summary).Left) }

func counted(name, doc string, get func(s *Summary) int64) Field {
	return num(KindInt, "summary."+name, doc, func(r Record, _ int) (int64, bool) { return get(r.(*Summary)), true })
}

var summaryFields = []Field{
	counted("packets", "Packets in the file.", func(s *Summary) int64 { return s.Packets }),
	counted("bytes", "Their bytes on the wire.", func(s *Summary) int64 { return s.Bytes }),
	counted("connections", "TCP connections.", func(s *Summary) int64 { return s.Connections }),
	num(KindInt, "summary.udp_flows", "UDP flows, where there are any.", func(r Record, _ int) (int64, bool) { return unlessZero(r.(*Summary).Flows) }),
	num(KindInt, "summary.memberships", "Memberships of hosts in multicast groups, where there are any.", func(r Record, _ int) (int64, bool) {
		return unlessZero(r.(*Summary).Memberships)
	}),
	counted("ws_sessions", "WebSocket sessions: a handshake with 101, or frames.", func(s *Summary) int64 { return s.Sessions }),
	counted("ws_failed", "Handshakes that did not open a session.", func(s *Summary) int64 { return s.Failed }),
	counted("ws_frames", "WebSocket frames.", func(s *Summary) int64 { return s.Frames }),
	counted("ws_messages", "WebSocket messages.", func(s *Summary) int64 { return s.Messages }),
	num(KindInt, "summary.frames", "Frames of declared framings, where there are any.", func(r Record, _ int) (int64, bool) {
		return unlessZero(r.(*Summary).Declared)
	}),
	counted("missing_bytes", "Stream bytes that were sent but are not in the capture.", func(s *Summary) int64 { return s.Missing }),
	counted("undecoded_bytes", "Stream bytes of WebSocket sessions and of declared framings that could not be put into frames.", func(s *Summary) int64 { return s.Undecoded }),
	counted("evicted", "Connections and UDP flows that were forgotten for want of memory.", func(s *Summary) int64 { return s.Evicted }),
	counted("dropped_packets", "Packets that were lost while they were captured, as far as the capture says.", func(s *Summary) int64 { return s.Dropped }),
	num(KindBool, "summary.truncated", "Whether the file ends in the middle of a packet or cannot be read to its end.", func(r Record, _ int) (int64, bool) {
		return flag(r.(*Summary).Truncated)
	}),
	num(KindTime, "summary.first", "When the first packet was captured.", func(r Record, _ int) (int64, bool) {
		s := r.(*Summary)
		return s.First, s.Packets > 0
	}),
	num(KindTime, "summary.last", "When the last packet was captured.", func(r Record, _ int) (int64, bool) {
		s := r.(*Summary)
		return s.Last, s.Packets > 0
	}),
	counted("findings.error", "Findings that are errors.", func(s *Summary) int64 { return s.Errors }),
	counted("findings.warning", "Findings that are warnings.", func(s *Summary) int64 { return s.Warnings }),
	counted("findings.note", "Findings that are notes.", func(s *Summary) int64 { return s.Notes }),
	{
		Name: "summary.skipped", Kind: KindObjects, Many: true, Doc: "What could not be decoded, the most frequent first.",
		len: skips,
		Sub: []Field{
			{
				Name: "summary.skipped.cause", Kind: KindString, Many: true, Doc: "Why.", len: skips,
				str: func(r Record, i int) (string, bool) { return r.(*Summary).Skipped[i].Cause, true },
			},
			{
				Name: "summary.skipped.packets", Kind: KindInt, Many: true, Doc: "How many packets, where they are counted.", len: skips,
				num: func(r Record, i int) (int64, bool) { return unlessZero(r.(*Summary).Skipped[i].Packets) },
			},
			{
				Name: "summary.skipped.bytes", Kind: KindInt, Many: true, Doc: "How many bytes, where they are counted.", len: skips,
				num: func(r Record, i int) (int64, bool) { return unlessZero(r.(*Summary).Skipped[i].Bytes) },
			},
		},
	}, {
		Name: "summary.not_looked_into", Kind: KindObjects, Many: true, Doc: "Packets that were read and are neither TCP nor UDP nor about multicast groups, by protocol, the most frequent first.",
		len: left,
		Sub: []Field{
			{
				Name: "summary.not_looked_into.protocol", Kind: KindString, Many: true, Doc: "The protocol, named as in `packet.protocol`.", len: left,
				str: func(r Record, i int) (string, bool) { return r.(*Summary).Left[i].Protocol, true },
			},
			{
				Name: "summary.not_looked_into.packets", Kind: KindInt, Many: true, Doc: "How many packets.", len: left,
				num: func(r Record, i int) (int64, bool) { return r.(*Summary).Left[i].Packets, true },
			},
			{
				Name: "summary.not_looked_into.bytes", Kind: KindInt, Many: true, Doc: "Their bytes on the wire.", len: left,
				num: func(r Record, i int) (int64, bool) { return r.(*Summary).Left[i].Bytes, true },
			},
		},
	},
}
