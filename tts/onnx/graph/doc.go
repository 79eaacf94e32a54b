// Package graph reads, cuts and rewrites ONNX files on the wire format.
//
// A [Model] is the protobuf message taken apart just far enough to walk the
// graph: nodes, initialisers, inputs and outputs. Weights are never decoded or
// copied; they stay slices of the file until Bytes writes a new one. That is
// enough to tell a voice's family by its signature, to run a voice in parts
// ([Model.Cut]) and to give it noise from outside instead of from a hidden
// random generator. There is no native code here.
package graph
