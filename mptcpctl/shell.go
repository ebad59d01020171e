package mptcpctl

import "strings"

// ShellWord returns s as a shell reads it as one word: in quotes where it needs
// them.
func ShellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellWords does the same to words with a space between each two, such as
// "dev eth0": names of interfaces have any character but white space.
func shellWords(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		words[i] = ShellWord(w)
	}
	return strings.Join(words, " ")
}
