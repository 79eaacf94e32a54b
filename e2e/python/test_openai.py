"""The official OpenAI library for Python against a running server, whose
address is in REPARTEE_URL. Run by "python -m unittest"."""

import json
import os
import unittest

import openai
from openai import OpenAI

URL = os.environ["REPARTEE_URL"]
MODEL = "smollm2:135m"
COLOURS = [{"role": "user", "content": "Name three colours."}]

# Every documented field with a value of a wrong type.
WRONG_TYPES = {
    "messages": "hello",
    "model": 5,
    "max_tokens": "many",
    "max_completion_tokens": 1.5,
    "n": "two",
    "temperature": "hot",
    "top_p": [],
    "frequency_penalty": {},
    "presence_penalty": "x",
    "seed": "seed",
    "stop": 5,
    "stream": "yes",
    "stream_options": True,
    "logit_bias": [1],
    "logprobs": 1,
    "top_logprobs": "all",
    "tools": "hammer",
    "tool_choice": 5,
    "parallel_tool_calls": "no",
    "response_format": "json",
    "prediction": "text",
    "user": 5,
}


class Chat(unittest.TestCase):
    def setUp(self):
        self.client = OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
        self.addCleanup(self.client.close)

    def ask(self, **more):
        fields = {"model": MODEL, "messages": COLOURS, "temperature": 0, "max_tokens": 24, **more}
        return self.client.chat.completions.create(**fields)

    def test_stream_joins_to_plain(self):
        plain = self.ask().choices[0].message.content
        pieces, usage = [], None
        for chunk in self.ask(stream=True, stream_options={"include_usage": True}):
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
            usage = chunk.usage or usage
        self.assertEqual("".join(pieces), plain)
        self.assertGreater(len(pieces), 1)  # guessed tokens come together
        self.assertGreaterEqual(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 2)

    def test_stop_strings_never_leak(self):
        plain = self.ask().choices[0].message.content
        stop = plain[5:9]
        for stream in (False, True):
            answer = self.ask(stop=[stop], stream=stream)
            text = "".join(c.choices[0].delta.content or "" for c in answer) if stream else answer.choices[0].message.content
            self.assertEqual(text, plain[: plain.index(stop)])

    def test_seeds_repeat(self):
        one, two = (self.ask(temperature=1.2, seed=-9007199254740991).choices[0].message.content for _ in range(2))
        self.assertEqual(one, two)

    def test_what_tests_of_the_library_send(self):
        self.ask(
            max_tokens=None, max_completion_tokens=8, logit_bias={"foo": 0}, top_logprobs=0, logprobs=True, n=2,
            frequency_penalty=-2, presence_penalty=2, service_tier="auto", store=True, metadata={"foo": "bar"},
            tools=[{"type": "function", "function": {"name": "f", "parameters": {"foo": "bar"}}}], tool_choice="none",
            modalities=["text"], prediction={"type": "content", "content": "Red"}, stop=None, user="user",
        )
        self.ask(messages=[{"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}], max_tokens=4)
        self.ask(max_tokens=0, extra_body={"max_completion_tokens": 0, "moderation": {}, "stream_options": None}, stop="\n")

    def test_logprobs(self):
        choice = self.ask(logprobs=True, top_logprobs=3, max_tokens=4).choices[0]
        self.assertEqual(len(choice.logprobs.content), 4)
        for token in choice.logprobs.content:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(token.top_logprobs[0].token, token.token)
        self.assertEqual("".join(t.token for t in choice.logprobs.content), choice.message.content)

    def test_wrong_types_name_the_field(self):
        import urllib.error
        import urllib.request

        for field, value in WRONG_TYPES.items():
            with self.subTest(field=field):
                body = {"model": MODEL, "messages": COLOURS, "max_tokens": 1, field: value}
                request = urllib.request.Request(URL + "/v1/chat/completions", json.dumps(body).encode())
                with self.assertRaises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request)
                self.assertEqual(caught.exception.code, 400)
                error = json.load(caught.exception)["error"]
                self.assertTrue(error["param"].startswith(field), error)
                self.assertIn(field, error["message"])

    def test_errors_are_the_librarys(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.ask(model="nothing")
        self.assertEqual((caught.exception.code, caught.exception.param), ("model_not_found", "model"))
        self.assertIn(MODEL, str(caught.exception))
        with self.assertRaises(openai.BadRequestError) as caught:
            self.ask(messages=[{"role": "user", "content": "word " * 10000}])
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        self.assertIn("8192", str(caught.exception))

    def test_forced_tools(self):
        tools = [
            {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}}}
            for name in ("get_weather", "get_time")
        ]
        named = {"type": "function", "function": {"name": "get_time"}}
        for choice, names in (("required", {"get_weather", "get_time"}), (named, {"get_time"})):
            message = self.ask(tools=tools, tool_choice=choice, max_tokens=100).choices[0].message
            self.assertIn(message.tool_calls[0].function.name, names)
            self.assertIsInstance(json.loads(message.tool_calls[0].function.arguments)["city"], str)
            name = arguments = ""
            for chunk in self.ask(tools=tools, tool_choice=choice, max_tokens=100, stream=True, logprobs=True):
                for call in chunk.choices[0].delta.tool_calls or []:
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
            self.assertEqual((name, arguments), (message.tool_calls[0].function.name, message.tool_calls[0].function.arguments))

    def test_strict_schemas_validate(self):
        schema = {
            "type": "object",
            "properties": {
                "colour": {"enum": ["red", "green", "blue"]},
                "count": {"type": "integer", "minimum": 0, "maximum": 99},
                "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 2},
            },
            "required": ["colour", "count", "tags"],
            "additionalProperties": False,
        }
        for seed in range(5):
            answer = self.ask(
                response_format={"type": "json_schema", "json_schema": {"name": "c", "strict": True, "schema": schema}},
                max_tokens=200, temperature=1, seed=seed,
            )
            value = json.loads(answer.choices[0].message.content)
            self.assertEqual(set(value), {"colour", "count", "tags"})
            self.assertIn(value["colour"], ["red", "green", "blue"])
            self.assertIn(value["count"], range(100))
            self.assertLessEqual(len(value["tags"]), 2)
        answer = self.ask(response_format={"type": "json_object"}, max_tokens=60)
        if answer.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_completions(self):
        prompt = "The capital of France is"
        plain = self.client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=6, echo=True, logprobs=0, extra_body={"best_of": 0}, suffix="x")
        self.assertTrue(plain.choices[0].text.startswith(prompt + " Paris"))
        both = self.client.completions.create(model=MODEL, prompt=[[504, 3575], [1, 2, 3]], max_tokens=2, n=2)
        self.assertEqual([c.index for c in both.choices], [0, 1, 2, 3])

    def test_models(self):
        self.assertIn(MODEL, [m.id for m in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)

    def test_speech(self):
        for form, head in (("wav", b"RIFF"), ("flac", b"fLaC"), ("opus", b"OggS"), ("mp3", None), ("pcm", None)):
            with self.client.audio.speech.with_streaming_response.create(model="tts-1", voice="nova", input="Hello from one process.", response_format=form) as response:
                data = response.read()
            self.assertGreater(len(data), 2000, form)
            if head:
                self.assertTrue(data.startswith(head), form)
        with self.assertRaises(openai.NotFoundError):
            self.client.audio.speech.create(model="tts-1", voice="nobody", input="x")
        with self.assertRaises(openai.BadRequestError):
            self.client.audio.speech.create(model="tts-1", voice="nova", input="...")


class Embeddings(unittest.TestCase):
    def setUp(self):
        self.client = OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
        self.addCleanup(self.client.close)

    def test_base64_equals_float(self):
        # Without encoding_format the library asks for base64 and decodes it.
        decoded = self.client.embeddings.create(model=MODEL, input=["Hello.", "Goodbye."])
        plain = self.client.embeddings.create(model=MODEL, input=["Hello.", "Goodbye."], encoding_format="float")
        for a, b in zip(decoded.data, plain.data, strict=True):
            self.assertLess(max(abs(x - y) for x, y in zip(a.embedding, b.embedding, strict=True)), 1e-7)
        self.assertEqual(len(plain.data[0].embedding), 576)
        self.assertGreater(plain.usage.prompt_tokens, 2)

    def test_wrong_fields(self):
        for field, value in {"input": {"a": 1}, "dimensions": 4096, "encoding_format": "hex"}.items():
            with self.subTest(field), self.assertRaises(openai.BadRequestError) as caught:
                self.client.embeddings.create(**{"model": MODEL, "input": "x", "encoding_format": "float", field: value})
            self.assertEqual(caught.exception.param, field)


if __name__ == "__main__":
    unittest.main()
