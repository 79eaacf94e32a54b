// Package cmd is the command line of repartee: one file a command. It parses,
// wires the rooms together and prints; it decides nothing that a server or an
// engine should decide.
//
// Every flag of serve is also an environment variable (REPARTEE_…) and a key of
// the YAML file that --config names; the command line beats the environment,
// which beats the file. Exit codes: 0 done, 1 failed, 2 wrong usage. An error
// is one line on stderr.
package cmd
