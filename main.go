// Command repartee answers in text and speech from one process.
package main

import (
	"os"

	"repartee/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
