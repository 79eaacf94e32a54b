// Package onnx runs ONNX graphs with ONNX Runtime.
//
// The library is opened once for the process ([Open]). A [Session] is a graph
// held ready; any goroutine may Run it, several at once. Tensors go in and come
// out as Go slices: results are copied out of the runtime's memory before it is
// given back, so nothing returned here has a hidden lifetime. The end of the
// context stops a run inside the graph. The package knows nothing of voices.
package onnx
