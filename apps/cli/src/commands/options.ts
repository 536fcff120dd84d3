import { InvalidArgumentError, Option } from 'commander';
import { defaultDirectory } from '../local/layout.ts';

export function dirOption(): Option {
  return new Option('--dir <directory>', 'where the clusters keep their data')
    .env('GODWIT_DIR')
    .default(defaultDirectory(process.env));
}

export function names(text: string): string[] {
  const list = text.split(',').map((name) => name.trim());
  if (list.some((name) => name === '')) throw new InvalidArgumentError('Give names separated by commas.');
  return [...new Set(list)];
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}
