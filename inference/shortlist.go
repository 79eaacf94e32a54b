package inference

import (
	"fmt"

	"repartee/inference/llama"
)

// GPUSampling says where the tokens that a choice is made from are found.
type GPUSampling string

// The values of GPUSampling; empty is auto.
const (
	// SampleAuto lets the GPU find them where a trial at load shows that it is
	// quicker, and the host elsewhere.
	SampleAuto GPUSampling = "auto"
	// SampleOnDevice lets whatever computes the logits find them, a CPU too.
	SampleOnDevice GPUSampling = "on"
	// SampleOnHost copies all logits.
	SampleOnHost GPUSampling = "off"
)

// shortlists decides whether the best tokens of a row are found where its logits
// are computed, and says why. Only SampleOnDevice fails, where that is not possible.
func (c LoadConfig) shortlists(model *llama.Model, gpu bool) (bool, string, error) {
	switch {
	case c.GPUSampling == SampleOnHost:
		return false, "as configured", nil
	case c.GPUSampling == SampleOnDevice && !gpu:
		return true, "as configured", nil
	case !gpu:
		return false, "the logits are in the host's memory already", nil
	}
	device, host, err := model.ShortlistCost(c.Parallel)
	why := fmt.Sprintf("for %d rows the GPU took %v, copying and searching all logits %v", c.Parallel, device, host)
	switch able := err == nil && device > 0; {
	case c.GPUSampling == SampleOnDevice && !able:
		return false, "", fmt.Errorf("%w: sampling on the GPU: it cannot find the best tokens of a row (%v)", llama.ErrUnsupported, err)
	case err != nil:
		return false, "the trial failed: " + err.Error(), nil
	case !able:
		return false, "the GPU cannot find the best tokens of a row", nil
	case c.GPUSampling == SampleOnDevice:
		return true, "as configured; " + why, nil
	}
	return device < host, why, nil
}
