package e2e

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func goClient() openai.Client {
	return openai.NewClient(option.WithBaseURL(shared.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))
}

func question(text string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: "smollm2:135m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)},
		Temperature: openai.Float(0), MaxCompletionTokens: openai.Int(24),
	}
}

func TestOpenAIGoStreamEqualsPlain(t *testing.T) {
	c := goClient()
	p := question("Name three colours.")
	p.N = openai.Int(2)
	plain, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Choices) != 2 || plain.Choices[0].Message.Content == "" || plain.Choices[0].Message.Content != plain.Choices[1].Message.Content {
		t.Fatalf("choices = %+v, want two of the same text at temperature 0", plain.Choices)
	}
	if u := plain.Usage; u.PromptTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Fatalf("usage = %+v", u)
	}
	p.N = openai.Int(1)
	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := c.Chat.Completions.NewStreaming(t.Context(), p)
	acc := openai.ChatCompletionAccumulator{}
	chunks := 0
	for stream.Next() {
		chunks++
		if !acc.AddChunk(stream.Current()) {
			t.Fatalf("chunk %d does not fit: %s", chunks, stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := acc.Choices[0].Message.Content, plain.Choices[0].Message.Content; got != want || chunks < 5 {
		t.Fatalf("%d chunks join to %q, want %q in pieces", chunks, got, want)
	}
	if acc.Usage.PromptTokensDetails.CachedTokens < acc.Usage.PromptTokens-2 {
		t.Fatalf("the same prompt again: %d of %d tokens cached", acc.Usage.PromptTokensDetails.CachedTokens, acc.Usage.PromptTokens)
	}
}

func TestOpenAIGoForcedTool(t *testing.T) {
	p := question("What is the weather in Paris?")
	p.MaxCompletionTokens = openai.Int(80)
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "get_weather", Parameters: openai.FunctionParameters{
			"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false,
		},
	})}
	p.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	c := goClient()
	a, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	m := a.Choices[0].Message
	if len(m.ToolCalls) == 0 || m.ToolCalls[0].Function.Name != "get_weather" || !strings.Contains(m.ToolCalls[0].Function.Arguments, `"city"`) || m.ToolCalls[0].ID == "" {
		t.Fatalf("forced tool: %s", a.RawJSON())
	}
}

func TestOpenAIGoErrors(t *testing.T) {
	c := goClient()
	f := func(p openai.ChatCompletionNewParams, status int, code, param string) {
		t.Helper()
		_, err := c.Chat.Completions.New(t.Context(), p)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != status || e.Code != code || e.Param != param || e.Message == "" {
			t.Fatalf("error = %v (%+v), want %d, code %q, param %q", err, e, status, code, param)
		}
	}
	unknown := question("x")
	unknown.Model = "gpt-nonsense"
	f(unknown, 404, "model_not_found", "model")
	hot := question("x")
	hot.Temperature = openai.Float(9)
	f(hot, 400, "", "temperature")
	long := question(strings.Repeat("word ", 10000))
	f(long, 400, "context_length_exceeded", "messages")
}

func TestOpenAIGoCompletionAndModels(t *testing.T) {
	c := goClient()
	a, err := c.Completions.New(t.Context(), openai.CompletionNewParams{
		Model: "smollm2:135m", Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("The capital of France is")},
		MaxTokens: openai.Int(4), Temperature: openai.Float(0), Logprobs: openai.Int(2),
	})
	if err != nil || !strings.Contains(a.Choices[0].Text, "Paris") || len(a.Choices[0].Logprobs.Tokens) != 4 {
		t.Fatalf("completion = %+v, %v; want Paris with 4 log-probabilities", a, err)
	}
	models, err := c.Models.List(t.Context())
	if err != nil || len(models.Data) == 0 || models.Data[0].ID != "smollm2:135m" {
		t.Fatalf("models = %+v, %v", models, err)
	}
}

func TestOpenAIGoSpeech(t *testing.T) {
	c := goClient()
	res, err := c.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
		Model: openai.SpeechModelTTS1, Input: "Hello from one process.", Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")}, ResponseFormat: openai.AudioSpeechNewParamsResponseFormatWAV,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || !bytes.HasPrefix(b, []byte("RIFF")) || len(b) < 22050 {
		t.Fatalf("speech: %d bytes (%v), want a WAV of half a second at least", len(b), err)
	}
}
