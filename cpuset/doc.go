// Package cpuset knows the processors of the machine: which hardware threads make
// a core, on which memory node a core lies, which are slow ones, what of them this
// process may use, and how to keep a thread on some of them.
//
// Reading is pure Go over the files of Linux; elsewhere every CPU counts as a core
// and threads stay where the system puts them.
package cpuset
