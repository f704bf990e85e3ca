// Calls a gateway with the official OpenAI SDK for Node and prints what it made of the answers.
//
// stdin: {"base_url": URL without /v1, "api_key": KEY, "concurrency": 8,
//         "calls": [{"client": "chat" | "responses", "model", "text", "stream": true}]}
// stdout: a list, one for each call, in order:
//   {"ok": true, "text", "tools": [{"name", "input"}], "finish"} | {"ok": false, "error", "status", "message"}
import OpenAI from "openai";

const read = async () => {
  let text = "";
  for await (const piece of process.stdin) text += piece;
  return JSON.parse(text);
};

const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const TOOLS = [{ type: "function", function: { name: "look_up", parameters: { type: "object", properties: {} } } }];

// A limit reached and a filter are errors to the SDK's stream helpers, and an answer to us.
async function chat(client, { model, text, stream }) {
  const request = { model, messages: [{ role: "user", content: text }], tools: TOOLS };
  let message, finish;
  if (stream) {
    const runner = client.chat.completions.stream(request);
    for await (const chunk of runner) finish = chunk.choices[0]?.finish_reason ?? finish;
    message = runner.currentChatCompletionSnapshot?.choices[0].message ?? (await runner.finalMessage());
  } else {
    const answer = await client.chat.completions.create(request);
    message = answer.choices[0].message;
    finish = answer.choices[0].finish_reason;
  }
  const tools = (message.tool_calls ?? []).map((call) => ({
    name: call.function.name,
    input: parsed(call.function.arguments),
  }));
  return { ok: true, text: message.content ?? "", tools, finish };
}

async function responses(client, { model, text, stream }) {
  const tools = TOOLS.map((tool) => ({ type: "function", strict: false, ...tool.function }));
  const request = { model, input: text, tools, store: false };
  const answer = stream
    ? await client.responses.stream(request).finalResponse()
    : await client.responses.create(request);
  const calls = answer.output.filter((item) => item.type === "function_call");
  return {
    ok: true,
    text: answer.output_text,
    tools: calls.map((call) => ({ name: call.name, input: parsed(call.arguments) })),
    finish: answer.incomplete_details?.reason ?? answer.status,
  };
}

async function main() {
  const job = await read();
  const client = new OpenAI({ baseURL: `${job.base_url}/v1`, apiKey: job.api_key, maxRetries: 0, timeout: 60_000 });
  const results = new Array(job.calls.length);
  let next = 0;
  const worker = async () => {
    while (next < job.calls.length) {
      const index = next++;
      const call = job.calls[index];
      try {
        results[index] = await { chat, responses }[call.client](client, call);
      } catch (error) {
        results[index] = { ok: false, error: error.constructor.name, status: error.status ?? null, message: error.message };
      }
    }
  };
  await Promise.all(Array.from({ length: job.concurrency ?? 1 }, worker));
  process.stdout.write(JSON.stringify(results));
}

await main();
