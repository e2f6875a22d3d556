// An OpenAI client against `rwkv serve`: node openai_client.mjs FOLDER_WITH_NODE_MODULES RWKV
// RWKV_TEST_SECONDS says for how long 32 clients ask at once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [folder, rwkv] = process.argv.slice(2);
const OpenAI = createRequire(path.resolve(folder, 'package.json'))('openai');
const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const model = path.join(root, 'models/tiny/rwkv7-tiny.gguf');

class Server {
  static async start(...options) {
    const server = new Server();
    server.process = spawn(rwkv, ['serve', '-m', model, '--port', '0', '--greedy', ...options],
                           { stdio: ['ignore', 'pipe', 'inherit'] });
    server.ended = new Promise((resolve) => server.process.on('exit', (code, signal) => resolve(code ?? signal)));
    const lines = readline.createInterface({ input: server.process.stdout });
    const line = await Promise.race([
      new Promise((resolve) => lines.once('line', resolve)),
      server.ended.then((code) => { throw new Error(`the server ended with ${code}`); }),
    ]);
    server.url = line.match(/^listening on (http:.*)$/)[1] + '/v1';
    return server;
  }

  client(options = {}) {
    return new OpenAI({ baseURL: this.url, apiKey: 'secret', maxRetries: 0, ...options });
  }

  // What Ctrl-C does.
  async interrupt() {
    this.process.kill('SIGINT');
    return this.ended;
  }
}

const ask = (content) => [{ role: 'user', content }];

// In a completion only its stop code ends it, and this one is never written.
const endless = { model: 'rwkv7-tiny', prompt: 'User: Hi', max_tokens: 1000000, stop_code: 479 };

function heldOutQuestions() {
  return readFileSync(path.join(root, 'models/tiny/heldout.jsonl'), 'utf8').trim().split('\n').map((line) => {
    const { messages, answer, reasoning } = JSON.parse(line);
    return {
      messages: messages.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
      enable_reasoning: reasoning,
      answer,
    };
  });
}

const tests = {
  async 'models are listed and found'({ server }) {
    const client = server.client();
    const models = [];
    for await (const one of await client.models.list()) models.push(one.id);
    assert.deepEqual(models, ['rwkv7-tiny']);
    assert.equal((await client.models.retrieve('rwkv7-tiny')).object, 'model');
  },

  async 'a chat is answered, with usage'({ server }) {
    const answer = await server.client().chat.completions.create({
      model: 'rwkv7-tiny',
      messages: [{ role: 'user', content: 'My name is Mira.' }, { role: 'assistant', content: 'Hello Mira!' },
                 { role: 'user', content: [{ type: 'text', text: 'What is 47+38?' }] }],
    });
    assert.equal(answer.choices[0].message.content, '85');
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.completion_tokens, 3);  // the space and two digits
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + 3);
  },

  async 'a chat is streamed'({ server }) {
    const stream = await server.client().chat.completions.create({
      model: 'rwkv7-tiny', messages: ask('What is the capital of Peru?'), stream: true, stream_options: { include_usage: true },
    });
    let text = '';
    let usage = null;
    let reason = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      reason = chunk.choices[0]?.finish_reason ?? reason;
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, 'Lima.');
    assert.equal(reason, 'stop');
    assert.ok(usage.completion_tokens > 0 && usage.prompt_tokens > 0);
  },

  async 'the stream helper puts an answer together'({ server }) {
    const runner = server.client().chat.completions.stream({ model: 'rwkv7-tiny', messages: ask('What is 47+38?') });
    assert.equal(await runner.finalContent(), '85');
  },

  async 'a text is completed, whole and as a stream'({ server }) {
    const request = { model: 'rwkv7-tiny', prompt: 'User: What is 47+38?\n\nAssistant:', stop: '\n\n', max_tokens: 10 };
    const client = server.client();
    const answer = await client.completions.create(request);
    assert.equal(answer.choices[0].text, ' 85');
    assert.equal(answer.choices[0].finish_reason, 'stop');
    let text = '';
    for await (const chunk of await client.completions.create({ ...request, stream: true })) text += chunk.choices[0].text;
    assert.equal(text, ' 85');
  },

  async 'n, max_tokens and stop are kept to'({ server }) {
    const answer = await server.client().chat.completions.create({
      model: 'rwkv7-tiny', messages: ask('What is 47+38?'), n: 3, max_completion_tokens: 2, seed: 5, temperature: 0,
    });
    assert.deepEqual(answer.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason]),
                     [[0, '8', 'length'], [1, '8', 'length'], [2, '8', 'length']]);
    const stopped = await server.client().chat.completions.create({
      model: 'rwkv7-tiny', messages: ask('What is the capital of Peru?'), stop: ['ma'],
    });
    assert.equal(stopped.choices[0].message.content, 'Li');
  },

  async 'errors are those of the client library'({ server }) {
    const client = server.client();
    const good = { model: 'rwkv7-tiny', messages: ask('Hi') };
    await assert.rejects(client.chat.completions.create({ ...good, model: 'gpt-9' }),
                         (error) => error instanceof OpenAI.NotFoundError && error.param === 'model');
    await assert.rejects(client.models.retrieve('gpt-9'), OpenAI.NotFoundError);
    await assert.rejects(client.chat.completions.create({ ...good, temperature: 'hot' }),
                         (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature' &&
                                    error.type === 'invalid_request_error');
    await assert.rejects(client.chat.completions.create({ ...good, logprobs: true }),
                         (error) => error.status === 400 && error.error.reason === 'unsupported');
    await assert.rejects(client.chat.completions.create({ ...good, messages: [], stream: true }), OpenAI.BadRequestError);
    await assert.rejects(client.embeddings.create({ model: 'rwkv7-tiny', input: 'Hi' }), OpenAI.NotFoundError);
    await assert.rejects(server.client({ apiKey: 'wrong' }).chat.completions.create(good), OpenAI.AuthenticationError);
  },

  async 'the AI SDK chats, streams and tells thoughts'() {
    if (Number(process.versions.node.split('.')[0]) < 20) return console.log('skipped: the AI SDK needs Node.js 20');
    const modules = createRequire(path.resolve(folder, 'package.json'));
    const { generateText, streamText } = modules('ai');
    const { createOpenAICompatible } = modules('@ai-sdk/openai-compatible');
    const thinking = await Server.start('--reasoning-content');
    try {
      const model = createOpenAICompatible({ name: 'rwkv', baseURL: thinking.url })('rwkv7-tiny');
      const prompt = 'What is the capital of Peru?';
      const whole = await generateText({ model, prompt, maxRetries: 0 });
      assert.equal(whole.text, 'Lima.');
      assert.equal(whole.finishReason, 'stop');
      const providerOptions = { rwkv: { reasoningEffort: 'high' } };
      const thought = await generateText({ model, prompt, providerOptions, maxRetries: 0 });
      assert.equal(thought.text, 'Lima.');
      assert.ok(thought.reasoningText.length > 0);
      let text = '';
      let thoughts = '';
      for await (const part of streamText({ model, prompt, providerOptions, maxRetries: 0 }).fullStream) {
        if (part.type === 'text-delta') text += part.text;
        if (part.type === 'reasoning-delta') thoughts += part.text;
      }
      assert.equal(text, 'Lima.');
      assert.equal(thoughts, thought.reasoningText);
    } finally {
      thinking.process.kill('SIGKILL');
    }
  },

  async 'leaving a stream ends its answer'({ alone }) {
    const client = alone.client();
    for (let i = 0; i < 3; ++i) {
      let pieces = 0;
      for await (const chunk of await client.completions.create({ ...endless, stream: true })) {
        if (chunk.choices[0].text && ++pieces === 3) break;  // which closes the connection
      }
      // The model writes one answer at a time: this one waits until the other has ended.
      const start = performance.now();
      const answer = await client.chat.completions.create({ model: 'rwkv7-tiny', messages: ask('What is 47+38?') });
      assert.equal(answer.choices[0].message.content, '85');
      assert.ok(performance.now() - start < 5000);
    }
  },

  async 'giving up a request ends its answer'({ alone }) {
    const client = alone.client();
    const controller = new AbortController();
    const answer = client.completions.create(endless, { signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    await assert.rejects(answer, OpenAI.APIUserAbortError);
    const start = performance.now();
    await client.chat.completions.create({ model: 'rwkv7-tiny', messages: ask('What is 47+38?') });
    assert.ok(performance.now() - start < 5000);
  },

  async '32 clients at once get the right answers'({ server }) {
    const questions = heldOutQuestions();
    const end = performance.now() + 1000 * Number(process.env.RWKV_TEST_SECONDS ?? 3);
    let next = 0;
    await Promise.all(Array.from({ length: 32 }, async () => {
      const client = server.client();
      while (performance.now() < end) {
        const number = next++;
        const { answer, ...request } = questions[number % questions.length];
        request.model = 'rwkv7-tiny';
        let text = '';
        if (number % 2 === 0) {
          text = (await client.chat.completions.create(request)).choices[0].message.content;
        } else {
          for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
            text += chunk.choices[0].delta.content ?? '';
          }
        }
        assert.equal(text.split('</think>').pop().trim(), answer, JSON.stringify(request));
      }
    }));
    console.log(`${next} right answers`);
    assert.ok(next >= 32);
  },

  async 'Ctrl-C ends the server and what it generates'({ server, alone }) {
    const answer = alone.client().completions.create(endless);
    const refused = assert.rejects(answer, (error) => error.status === 503);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(await alone.interrupt(), 130);
    await refused;
    assert.equal(await server.interrupt(), 130);
  },
};

const server = await Server.start('--api-key', 'secret');
const alone = await Server.start('--sequences', '1');
let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test({ server, alone });
    ++passed;
  } catch (error) {
    ++failed;
    console.error(`FAILED: ${name}\n`, error);
  }
}
server.process.kill('SIGKILL');
alone.process.kill('SIGKILL');
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
