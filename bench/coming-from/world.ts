/** What all of the programs share: where they keep their state, the two tools, and how they tell what happens. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [folder = '', url = '', word = ''] = process.argv.slice(2);

/** The folder for whatever a program keeps. */
export const STATE = folder;
/** Where the model answers, as OpenAI does. */
export const MODEL_URL = `${url}/v1`;
/** Whether a person has just agreed. */
export const IS_APPROVED = word === 'yes';
export const QUESTION = 'Orders A and B came broken. Refund what is due.';

const PRICES: Readonly<Record<string, number>> = { A: 12, B: 30 };
const write = (line: string): void => appendFileSync(join(folder, 'effects'), `${line}\n`);

/** Tool one. Asked about both orders at once, it answers about A long before B. */
export async function lookUp({ order }: { order: string }): Promise<{ order: string; price: number }> {
  write(`begin lookUp ${order}`);
  await pause(order === 'A' ? 50 : 1_500);
  write(`end lookUp ${order}`);
  return { order, price: PRICES[order] ?? 0 };
}

/** Tool two, which a person has to agree to. */
export async function refund({ amount }: { amount: number }): Promise<string> {
  write('begin refund');
  await pause(1_000);
  write('end refund');
  return `refunded ${amount}`;
}

/** The model has said this much. */
export const say = (text: string): void => void process.stdout.write(`token ${JSON.stringify(text)}\n`);
/** A person has to agree; the process may end. */
export const wait = (): void => void process.stdout.write('waiting\n');
/** The whole has ended. */
export const end = (text: string): void => void process.stdout.write(`answer ${JSON.stringify(text)}\n`);
