// What the core asks of `node:buffer`.

type Encoding = 'utf8' | 'hex' | 'base64' | 'base64url';

class Bytes extends Uint8Array {
  override toString(encoding: Encoding = 'utf8'): string {
    if (encoding === 'utf8') return new TextDecoder().decode(this);
    if (encoding === 'hex') return Array.from(this, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const text = btoa(Array.from(this, (byte) => String.fromCharCode(byte)).join(''));
    return encoding === 'base64' ? text : text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  }
}

function from(data: string | ArrayLike<number>, encoding: 'utf8' | 'base64' = 'utf8'): Bytes {
  if (typeof data !== 'string') return new Bytes(data);
  if (encoding === 'utf8') return new Bytes(new TextEncoder().encode(data));
  return new Bytes(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)));
}

export const Buffer = {
  from,
  alloc: (length: number): Bytes => new Bytes(length),
  byteLength: (text: string): number => new TextEncoder().encode(text).length,
};
