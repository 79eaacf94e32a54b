// The official OpenAI library for JavaScript against a running server, whose
// address is in REPARTEE_URL. Run by node's own test runner.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { APIError } from "openai";

const client = new OpenAI({ baseURL: process.env.REPARTEE_URL + "/v1", apiKey: "none", maxRetries: 0 });
const question = {
  model: "smollm2:135m",
  messages: [{ role: "user", content: "Name three colours." }],
  temperature: 0,
  max_completion_tokens: 24,
};

test("a stream joins to the plain answer", async () => {
  const plain = await client.chat.completions.create(question);
  assert.ok(plain.choices[0].message.content.length > 0);
  const stream = await client.chat.completions.create({ ...question, stream: true, stream_options: { include_usage: true } });
  let joined = "", pieces = 0, usage;
  for await (const chunk of stream) {
    if (chunk.choices.length > 0 && chunk.choices[0].delta.content) {
      joined += chunk.choices[0].delta.content;
      pieces++;
    }
    usage = chunk.usage ?? usage;
  }
  assert.equal(joined, plain.choices[0].message.content);
  assert.ok(pieces > 1, `${pieces} pieces`);
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
});

test("a stream that is left early frees its place", async () => {
  const stream = await client.chat.completions.create({ ...question, max_completion_tokens: 2000, stream: true, ignore_eos: true });
  for await (const chunk of stream) {
    if (chunk.choices[0]?.delta.content) break; // the library aborts the request
  }
  for (let i = 0; ; i++) {
    const metrics = await (await fetch(process.env.REPARTEE_URL + "/metrics")).text();
    if (/^vllm:num_requests_running\{[^}]*\} 0$/m.test(metrics)) return;
    assert.ok(i < 500, "the request still runs");
  }
});

test("errors are the library's own classes", async () => {
  const fails = async (change, status, code, param) => {
    await assert.rejects(client.chat.completions.create({ ...question, ...change }), (e) => {
      assert.ok(e instanceof APIError, String(e));
      assert.equal(e.status, status);
      assert.equal(e.code, code);
      assert.equal(e.param, param);
      return true;
    });
  };
  await fails({ model: "nothing" }, 404, "model_not_found", "model");
  await fails({ temperature: "hot" }, 400, null, "temperature");
  await fails({ messages: [] }, 400, null, "messages");
});

test("speech is audio", async () => {
  const res = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hello from one process." });
  const bytes = new Uint8Array(await res.arrayBuffer());
  assert.ok(bytes.length > 4000, `${bytes.length} bytes`);
  assert.ok((bytes[0] === 0xff && (bytes[1] & 0xe0) === 0xe0) || String.fromCharCode(...bytes.slice(0, 3)) === "ID3", "not an MP3");
});

test("embeddings, as base64 and as numbers", async () => {
  const fields = { model: "smollm2:135m", input: ["Hello.", "Goodbye."] };
  const decoded = await client.embeddings.create(fields); // the library asks for base64
  const plain = await client.embeddings.create({ ...fields, encoding_format: "float" });
  assert.equal(decoded.data.length, 2);
  for (let i = 0; i < 576; i++) {
    assert.ok(Math.abs(decoded.data[1].embedding[i] - plain.data[1].embedding[i]) < 1e-6, `number ${i}`);
  }
});
