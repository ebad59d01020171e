// Package netnstest makes network namespaces for tests, with links between
// them, and runs functions, commands and sockets there. It exists on linux only.
//
// It is for tests only, like net/http/httptest. Whoever may not make a namespace
// has the test skipped, with the name of the capability.
package netnstest
