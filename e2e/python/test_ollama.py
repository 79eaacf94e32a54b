"""Ollama's library for Python against a running server."""

import os
import unittest

import ollama

MODEL = "smollm2:135m"
OPTIONS = {"temperature": 0, "num_predict": 16}


class Ollama(unittest.TestCase):
    def setUp(self):
        self.client = ollama.Client(host=os.environ["REPARTEE_URL"])

    def test_embed(self):
        r = self.client.embed(model=MODEL, input=["Hello.", "Goodbye."])
        self.assertEqual([len(v) for v in r.embeddings], [576, 576])
        self.assertGreater(r.prompt_eval_count, 2)
        self.assertEqual(len(self.client.embed(model=MODEL, input="Hello.", dimensions=16).embeddings[0]), 16)

    def test_chat(self):
        messages = [{"role": "user", "content": "Name three colours."}]
        plain = self.client.chat(model=MODEL, messages=messages, options=OPTIONS)
        self.assertTrue(plain.done)
        self.assertEqual(plain.eval_count, 16)
        pieces = list(self.client.chat(model=MODEL, messages=messages, options=OPTIONS, stream=True, keep_alive="10m"))
        self.assertEqual("".join(p.message.content for p in pieces), plain.message.content)
        self.assertGreater(len(pieces), 1)  # guessed tokens come together
        self.assertGreater(pieces[-1].total_duration, 0)

    def test_generate(self):
        first = self.client.generate(model=MODEL, prompt="My name is Ada.", options=OPTIONS)
        again = self.client.generate(model=MODEL, prompt="What is my name?", options=OPTIONS, context=first.context)
        self.assertGreater(again.prompt_eval_count, first.prompt_eval_count)
        raw = self.client.generate(model=MODEL, prompt="The capital of France is", raw=True, options=OPTIONS)
        self.assertIn("Paris", raw.response)
        self.assertEqual(self.client.generate(model=MODEL, prompt="", keep_alive=-1).done_reason, "load")

    def test_format(self):
        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"], "additionalProperties": False}
        answer = self.client.chat(model=MODEL, messages=[{"role": "user", "content": "A colour?"}], format=schema, options={"num_predict": 40})
        self.assertRegex(answer.message.content, r'"(red|blue)"')

    def test_lists(self):
        self.assertIn(MODEL, [m.model for m in self.client.list().models])
        self.assertIn(MODEL, [m.model for m in self.client.ps().models])
        shown = self.client.show(MODEL)
        self.assertEqual(shown.details.format, "gguf")
        self.assertIn("completion", shown.capabilities)
        self.assertEqual(shown.modelinfo["general.architecture"], "llama")

    def test_errors(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.client.chat(model="nothing", messages=[{"role": "user", "content": "x"}])
        self.assertEqual(caught.exception.status_code, 404)
        self.assertIn(MODEL, caught.exception.error)


if __name__ == "__main__":
    unittest.main()
