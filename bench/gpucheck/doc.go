// Package gpucheck proves the project on a machine with an NVIDIA GPU in one run
// without a network, and says clearly what did not run.
//
// It drives built programs only: the server, llama-server and llama-bench of the
// same build, test programs. A dry run is the same over the stand-in GPU of
// "cuda.sh standin" with thinned models: it shows that the check itself works,
// and judges no figure.
package gpucheck
