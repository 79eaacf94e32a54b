package catalog

// Entries lists the catalogue, defaults first.
var Entries = append([]Entry{
	{Name: "smollm2:135m", Kind: Model, File: "SmolLM2-135M-Instruct.Q4_1.gguf", Size: "98 MB", Licence: "Apache-2.0", About: "SmolLM2 135M Instruct, Q4_1: the default, fetched by make", Default: true, Sampling: &Sampling{Temperature: 0.2, TopP: 0.9}},
	{Name: "en_US-joe-medium", Kind: Voice, File: "en_US-joe-medium.onnx", Size: "63 MB", Licence: "CC0-1.0", About: "Piper, US English, 22.05 kHz: the default voice, fetched by make", Default: true},
	{Name: "phi3:mini", Kind: Model, File: "Phi-3-mini-4k-instruct-q4.gguf", Repo: "microsoft/Phi-3-mini-4k-instruct-gguf", RepoFile: "Phi-3-mini-4k-instruct-q4.gguf", Size: "2.4 GB", Licence: "MIT", About: "Phi-3 mini 4k Instruct, Q4_K_M"},
	{Name: "llama3.1:8b", Kind: Model, File: "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", Repo: "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", RepoFile: "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", Size: "4.9 GB", Licence: "Llama 3.1 Community", About: "Llama 3.1 8B Instruct, Q4_K_M", Sampling: &Sampling{Temperature: 0.6, TopP: 0.9}},
	{Name: "qwen2.5:1.5b", Kind: Model, File: "qwen2.5-1.5b-instruct-q4_k_m.gguf", Repo: "Qwen/Qwen2.5-1.5B-Instruct-GGUF", RepoFile: "qwen2.5-1.5b-instruct-q4_k_m.gguf", Size: "1.1 GB", Licence: "Apache-2.0", About: "Qwen2.5 1.5B Instruct, Q4_K_M", Sampling: &Sampling{Temperature: 0.7, TopP: 0.8, TopK: 20, RepeatPenalty: 1.1}},
}, voices...)

// voices are those that the hub has. Their licences are what their authors'
// model cards say.
var voices = []Entry{
	piper("en_US-ljspeech-medium", "en/en_US/ljspeech/medium", "63 MB", "Public domain", "US English, one speaker"),
	piper("en_US-libritts_r-medium", "en/en_US/libritts_r/medium", "79 MB", "CC-BY-4.0", "US English, 904 speakers"),
	piper("en_GB-alba-medium", "en/en_GB/alba/medium", "63 MB", "CC-BY-4.0", "Scottish English, one speaker"),
	piper("de_DE-thorsten-medium", "de/de_DE/thorsten/medium", "63 MB", "CC0-1.0", "German, one speaker"),
	piper("fr_FR-siwis-medium", "fr/fr_FR/siwis/medium", "63 MB", "CC-BY-4.0", "French, one speaker"),
	kokoro("kokoro", "kokoro-82m-int8", "model_quantized.onnx", "119 MB", "int8: the faster one on CPUs"),
	kokoro("kokoro:fp32", "kokoro-82m-fp32", "model.onnx", "353 MB", "fp32: for GPUs"),
	{
		Name: "kitten:nano", Kind: Voice, File: "kitten-tts-nano-0.1.onnx", Repo: "KittenML/kitten-tts-nano-0.1", RepoFile: "kitten_tts_nano_v0_1.onnx",
		Size: "24 MB", Licence: "Apache-2.0", About: "Kitten nano 0.1, US English, 8 speakers, 24 kHz",
		Beside: []Beside{{"kitten-tts-nano-0.1.voices.npz", "voices.npz"}},
	},
	{
		Name: "supertonic", Kind: Voice, File: "supertonic/onnx/text_encoder.onnx", Repo: "Supertone/supertonic", RepoFile: "onnx/text_encoder.onnx",
		Size: "263 MB", Licence: "OpenRAIL-M", About: "Supertonic 66M, US English, 4 speakers, 44.1 kHz",
		Beside: below("supertonic/", "onnx/duration_predictor.onnx", "onnx/vector_estimator.onnx", "onnx/vocoder.onnx", "onnx/tts.json", "onnx/unicode_indexer.json",
			"voice_styles/F1.json", "voice_styles/F2.json", "voice_styles/M1.json", "voice_styles/M2.json"),
	},
	mms("eng", "English"), mms("deu", "German"), mms("fra", "French"), mms("spa", "Spanish"), mms("por", "Portuguese"),
}

// piper is a voice of the Piper project, at a path of its repository.
func piper(name, path, size, licence, about string) Entry {
	file := name + ".onnx"
	return Entry{
		Name: name, Kind: Voice, File: file, Repo: "rhasspy/piper-voices", RepoFile: path + "/" + file, Size: size, Licence: licence,
		About:  "Piper, " + about + ", 22.05 kHz",
		Beside: []Beside{{file + ".json", path + "/" + file + ".json"}},
	}
}

// kokoroSpeakers are the packs of the languages that can be read: American and
// British English, Spanish, French, Hindi, Italian, Portuguese.
var kokoroSpeakers = []string{
	"af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river", "af_sarah", "af_sky",
	"am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx", "am_puck", "am_santa",
	"bf_alice", "bf_emma", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_george", "bm_lewis",
	"ef_dora", "em_alex", "em_santa", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara", "im_nicola", "pf_dora", "pm_alex", "pm_santa",
}

func kokoro(name, stem, file, size, about string) Entry {
	e := Entry{
		Name: name, Kind: Voice, File: stem + ".onnx", Repo: "onnx-community/Kokoro-82M-v1.0-ONNX", RepoFile: "onnx/" + file, Size: size,
		Licence: "Apache-2.0", About: "Kokoro 82M, 41 speakers in 7 languages, 24 kHz, " + about,
	}
	for _, s := range kokoroSpeakers {
		e.Beside = append(e.Beside, Beside{stem + ".voices/" + s + ".bin", "voices/" + s + ".bin"})
	}
	return e
}

func mms(code, language string) Entry {
	stem := "mms-tts-" + code
	return Entry{
		Name: "mms:" + code, Kind: Voice, File: stem + ".onnx", Repo: "Xenova/" + stem, RepoFile: "onnx/model.onnx", Size: "114 MB",
		Licence: "CC-BY-NC-4.0", About: "MMS, " + language + ", one speaker, 16 kHz; not for commercial use",
		Beside: []Beside{{stem + ".vocab.json", "vocab.json"}, {stem + ".tokenizer_config.json", "tokenizer_config.json"}},
	}
}

func below(folder string, files ...string) []Beside {
	out := make([]Beside, len(files))
	for i, f := range files {
		out[i] = Beside{folder + f, f}
	}
	return out
}
