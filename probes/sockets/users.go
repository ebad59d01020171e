package sockets

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

var systemUsers = sync.OnceValue(func() map[uint32]string {
	users := map[uint32]string{}
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return users
	}
	defer f.Close()
	for line := range lines(f) {
		f := strings.Split(line, ":")
		if len(f) < 3 {
			continue
		}
		if id, err := strconv.ParseUint(f[2], 10, 32); err == nil {
			if _, ok := users[uint32(id)]; !ok {
				users[uint32(id)] = f[0]
			}
		}
	}
	return users
})

// User returns the name of a user as /etc/passwd has it, or the number.
func User(uid uint32) string {
	if n, ok := systemUsers()[uid]; ok {
		return n
	}
	return strconv.FormatUint(uint64(uid), 10)
}
