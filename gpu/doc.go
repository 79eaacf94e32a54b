// Package gpu tells what a machine has to compute with: processor features,
// memory, an NVIDIA driver, and the CUDA libraries by path. It reads files
// only, so that it is safe on every machine; telemetry from the driver's own
// library will be added here and nowhere else.
package gpu
