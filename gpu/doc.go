// Package gpu tells what a machine has to compute with, and shares it out.
//
// It reads the processor and the memory, finds the NVIDIA driver and each CUDA
// library by path, and reads GPUs through the driver's management library,
// which is opened when the program runs and never linked: without a driver there
// is a [Telemetry] with no devices and a reason. [Found.Choose] decides between
// CPU and CUDA and says why in one line; [Want.Fit] plans what goes into a card's
// memory before anything is loaded; [Arbiter] lets decode steps and speech take
// turns on one card; [KeepAlive] keeps its clocks up between requests. The
// package knows nothing of models, voices or requests.
package gpu
