package mptcp

import (
	"encoding/json"
	"net/netip"

	"framescope/decode/finding"
	"framescope/mptcpctl"
)

// A Finding is a cause that was recognised, with what it was recognised by.
type Finding struct {
	// ID is one of the ids below.
	ID       string
	Severity finding.Severity
	// Token is the connection that it is about, zero if it is about none or many.
	Token mptcpctl.Token
	// Detail says what is wrong here, in a sentence.
	Detail string
	// Evidence is what was looked at, and what it said.
	Evidence []string
	// Fix are the commands that mend it; words in capitals are to be filled in.
	Fix []string
	// Elsewhere says what cannot be known on this host, and how to find out.
	Elsewhere string

	about netip.Addr // the endpoint that it is about, if it is about one
	past  bool       // only counters tell of it, and they did not grow
}

// Info is what the catalogue says of the finding's id.
func (f *Finding) Info() Info { return catalogue[f.ID] }

// MarshalJSON writes the finding with what the catalogue says of it.
func (f Finding) MarshalJSON() ([]byte, error) {
	info := f.Info()
	out := struct {
		ID        string          `json:"id"`
		Severity  string          `json:"severity"`
		Layer     string          `json:"layer"`
		Token     *mptcpctl.Token `json:"token,omitempty"`
		Title     string          `json:"title"`
		Detail    string          `json:"detail"`
		Cause     string          `json:"cause"`
		Fix       []string        `json:"fix"`
		Evidence  []string        `json:"evidence"`
		Elsewhere string          `json:"elsewhere,omitempty"`
	}{f.ID, f.Severity.String(), "mptcp", nil, info.Title, f.Detail, info.Cause, f.Fix, f.Evidence, f.Elsewhere}
	if f.Token != 0 {
		out.Token = &f.Token
	}
	if out.Fix == nil {
		out.Fix = []string{}
	}
	if out.Evidence == nil {
		out.Evidence = []string{}
	}
	return json.Marshal(out)
}

// The ids of findings.
const (
	IDDisabled         = mptcpctl.WarnDisabled
	IDUserspacePM      = mptcpctl.WarnUserspacePM
	IDEndpointAbsent   = mptcpctl.WarnAbsent
	IDEndpointLinkDown = mptcpctl.WarnLinkDown
	IDEndpointWrongDev = mptcpctl.WarnWrongDev
	IDEndpointLimit    = mptcpctl.WarnEndpointLimit
	IDEndpointUnused   = mptcpctl.WarnUnused
	IDNoSourceRoute    = mptcpctl.WarnNoSourceRoute
	IDRPFilter         = mptcpctl.WarnRPFilter
	IDSharedCable      = "mptcp-shared-cable"
	IDLimitLocal       = mptcpctl.WarnLimitLocal
	IDLimitPeer        = "mptcp-limit-peer"
	IDLimitAddr        = mptcpctl.WarnLimitAddr
	IDLimitExhausted   = "mptcp-limit-exhausted"
	IDBlackhole        = "mptcp-blackhole"
	IDSYNDropped       = "mptcp-syn-dropped"
	IDFallbackSYNACK   = "mptcp-fallback-synack"
	IDFallbackData     = "mptcp-fallback-data"
	IDFallbackInfinite = "mptcp-fallback-infinite"
	IDFallbackLocal    = "mptcp-fallback-local"
	IDAppPlainTCP      = "mptcp-app-plain-tcp"
	IDJoinUnanswered   = "mptcp-join-unanswered"
	IDJoinStripped     = "mptcp-join-option-stripped"
	IDJoinRefused      = "mptcp-join-refused"
	IDDenyJoin         = "mptcp-deny-join"
	IDJoinUnknownToken = "mptcp-join-unknown-token"
	IDJoinIncomplete   = "mptcp-join-incomplete"
	IDJoinHMAC         = "mptcp-join-hmac"
	IDAddrUnused       = "mptcp-addr-unused"
	IDChecksum         = "mptcp-checksum"
	IDMappingConflict  = "mptcp-mapping-conflict"
	IDStale            = "mptcp-stale"
	IDSinglePath       = "mptcp-single-path"
	IDBackupOnly       = "mptcp-backup-only"
	IDNoConnection     = "mptcp-no-connection"
)

// Info is what the catalogue says of an id.
type Info struct {
	Severity finding.Severity
	// Title says in one line what was found.
	Title string
	// Cause says why that happens.
	Cause string
}

// Catalogue returns what is known of an id, and whether there is such an id.
func Catalogue(id string) (Info, bool) {
	i, ok := catalogue[id]
	return i, ok
}

var catalogue = map[string]Info{
	IDDisabled:         {finding.Error, "MPTCP is off in this network namespace", "net.mptcp.enabled is 0. It is per namespace: containers do not take it from the host."},
	IDUserspacePM:      {finding.Warning, "endpoints are not looked at: the path manager is one in userspace", "net.mptcp.path_manager is userspace, so that a daemon such as mptcpd has to open subflows."},
	IDEndpointAbsent:   {finding.Error, "no interface has the address of an endpoint", "The address was mistyped, or DHCP gave another one. The kernel accepts the endpoint all the same and fails without an event."},
	IDEndpointLinkDown: {finding.Error, "the interface of an endpoint is down", "Subflows cannot leave by it. The kernel does not try again when it comes up, for connections that are there."},
	IDEndpointWrongDev: {finding.Error, "an endpoint is bound to an interface that does not have its address", "Packets leave by an interface to which the answers do not come."},
	IDEndpointLimit:    {finding.Error, "there are more endpoints than the kernel keeps", "A network namespace has eight endpoints at most."},
	IDEndpointUnused:   {finding.Warning, "an endpoint is of no use", "It has no flag that says what it is for; or it has the flag subflow on a server, from which clients behind NAT or a firewall cannot be reached."},
	IDNoSourceRoute:    {finding.Error, "packets from an address leave by another interface than the one that has it", "Routes go by destination. Without a rule for the source address all subflows take the same link."},
	IDRPFilter:         {finding.Warning, "reverse path filtering drops packets", "With rp_filter=1 the kernel drops packets that come in by another interface than the one the answer would take."},
	IDSharedCable:      {finding.Warning, "several subflows leave by the same link", "They are separate only by their addresses: one cable that breaks breaks them all, and they are no faster than it."},
	IDLimitLocal:       {finding.Warning, "the limit of this host allows no more subflows", "ip mptcp limits bounds the subflows of a connection besides the first; the default is 2."},
	IDLimitPeer:        {finding.Warning, "the peer took the join and refused it at once", "The peer's limit of subflows is reached (its default is 2), or its path manager does not allow the join. It is checked on the last packet of the handshake only."},
	IDLimitAddr:        {finding.Warning, "addresses that the peer signals are not used", "The limit add_addr_accepted is 0, which is the default. The kernel echoes such addresses, and forgets them without a counter."},
	IDLimitExhausted:   {finding.Warning, "an attempt that nobody answers holds the last place for a subflow", "Attempts count against the limit as long as they last, so that healthy endpoints are not tried."},
	IDBlackhole:        {finding.Error, "MPTCP is switched off for new connections: a blackhole was found", "SYNs with the MPTCP option were lost, and one without it was answered. The kernel then makes all connections of the namespace without MPTCP for a while."},
	IDSYNDropped:       {finding.Warning, "SYNs with the MPTCP option were lost, those without were answered", "A firewall on the way drops packets with TCP option 30."},
	IDFallbackSYNACK:   {finding.Warning, "the peer answered without MPTCP", "The server's application listens for TCP only, MPTCP is off in its namespace, or a middlebox takes the option out."},
	IDFallbackData:     {finding.Warning, "MPTCP was begun, and the option was gone after that", "A middlebox takes the option out of the SYN/ACK, or of everything behind the SYN."},
	IDFallbackInfinite: {finding.Warning, "MPTCP was given up in the middle of a connection", "The data did not fit its mappings or checksums any more, so that the rest went as plain TCP."},
	IDFallbackLocal:    {finding.Note, "this host itself did without MPTCP", "TCP MD5 signatures, a simultaneous connect, or no token that was free."},
	IDAppPlainTCP:      {finding.Note, "connections are plain TCP", "The application opens a TCP socket, not one of IPPROTO_MPTCP; or the option was taken out on the way."},
	IDJoinUnanswered:   {finding.Error, "nobody answers the SYN of a further subflow", "A firewall drops SYNs with MP_JOIN, or to that address and port; or answers take a way on which they are lost."},
	IDJoinStripped:     {finding.Error, "a further subflow was answered without MP_JOIN", "A middlebox on that path takes the option out. This host resets such subflows."},
	IDJoinRefused:      {finding.Error, "a further subflow was refused with a RST", "A firewall rejects it, nothing listens there, or a balancer sent it to another server, which does not know the connection."},
	IDDenyJoin:         {finding.Warning, "the peer allows no further subflows to its first address", "It set the C flag (net.mptcp.allow_join_initial_addr_port=0), as behind a balancer, and signalled no other address."},
	IDJoinUnknownToken: {finding.Error, "joins came for connections that this host does not have", "A balancer sends further subflows to another server than the first one, or the connection was over."},
	IDJoinIncomplete:   {finding.Error, "the handshake of a further subflow does not end", "Its last packets are lost, or answers leave by another link than the join came by: one end takes it for established and the other does not, so that it carries nothing."},
	IDJoinHMAC:         {finding.Error, "joins failed to prove that they belong to the connection", "Their HMAC is wrong: somebody else tries to join, or a middlebox changed the handshake."},
	IDAddrUnused:       {finding.Error, "an address that was signalled is of no use", "It cannot be reached by the peer, the peer never heard of it, or the peer accepts none: its limit add_addr_accepted is 0 by default."},
	IDChecksum:         {finding.Error, "checksums of data were wrong", "A middlebox rewrites the payload. The subflow is reset, or the connection falls back."},
	IDMappingConflict:  {finding.Error, "mappings of data do not fit", "Bytes were inserted or removed on the way, or one end is wrong."},
	IDStale:            {finding.Warning, "a subflow sends and gets no answer", "Its path died without a word. Data is sent again on the others; the kernel gives no event for it."},
	IDSinglePath:       {finding.Warning, "one subflow carries everything", "The others are established and idle: they are backups, slower, or one path is enough for what is sent."},
	IDBackupOnly:       {finding.Warning, "the further subflows are backups", "A backup carries data only when no other subflow works: the endpoint or the peer asked for it."},
	IDNoConnection:     {finding.Warning, "there is no such connection", "None was open while this was observed."},
}
