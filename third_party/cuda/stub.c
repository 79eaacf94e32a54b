/* Stands for the driver while linking on machines without one. It defines what
 * ggml's CUDA backend calls directly: with fewer symbols the linker would drop
 * libcuda.so.1 from the list of needed libraries, and the module would fail to
 * load even where a driver is. It is never installed. */
#define STUB(name) int name(void) { return 100; /* CUDA_ERROR_NO_DEVICE */ }
STUB(cuDeviceGet)
STUB(cuDeviceGetAttribute)
STUB(cuGetErrorString)
STUB(cuMemAddressFree)
STUB(cuMemAddressReserve)
STUB(cuMemCreate)
STUB(cuMemGetAllocationGranularity)
STUB(cuMemMap)
STUB(cuMemRelease)
STUB(cuMemSetAccess)
STUB(cuMemUnmap)
