/** Reads and writes the fields of a message in protobuf's wire format (protobuf.dev, "Encoding"), without a schema. */

/** A field, in the order of the message. */
export interface ProtobufField {
  /** Its number. */
  readonly number: number;
  /** A varint or a fixed-width value as an unsigned number of 64 bits at most; bytes as they are. */
  readonly value: bigint | Uint8Array;
}

const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/** The bytes of the longest varint, of 64 bits. */
const MAX_VARINT_BYTES = 10;

/**
 * The fields of a message, one after another. Nothing is copied: bytes are views of the message.
 *
 * @throws {SyntaxError} If it ends within a field, or has a field of a kind that isn't in use any more
 * (groups).
 */
export function* protobufFields(message: Uint8Array): Generator<ProtobufField, void, undefined> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;

  function take(length: number): number {
    if (length > message.length - at) {
      throw new SyntaxError(
        `Cannot read a field: it ends at byte ${at + length}, the message at ${message.length}`,
      );
    }
    const start = at;
    at += length;
    return start;
  }

  function varint(): bigint {
    let value = 0n;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = view.getUint8(take(1));
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new SyntaxError(`Cannot read a number: it has more than ${MAX_VARINT_BYTES} bytes`);
  }

  while (at < message.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        yield { number, value: varint() };
        break;
      case FIXED_64:
        yield { number, value: view.getBigUint64(take(8), true) };
        break;
      case BYTES: {
        const length = Number(varint());
        const start = take(length);
        yield { number, value: message.subarray(start, start + length) };
        break;
      }
      case FIXED_32:
        yield { number, value: BigInt(view.getUint32(take(4), true)) };
        break;
      default:
        throw new SyntaxError(`Cannot read field ${number}: it has the wire type ${tag % 8}`);
    }
  }
}

/** Writes a message field by field. */
export class ProtobufWriter {
  #bytes = new Uint8Array(64);
  #size = 0;

  /** Appends a whole number below 2^32. */
  varint(field: number, value: number): void {
    this.#number(field * 8 + VARINT);
    this.#number(value);
  }

  /** Appends a number of 32 bits. */
  float(field: number, value: number): void {
    this.#number(field * 8 + FIXED_32);
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    this.#append(bytes);
  }

  /** Appends bytes: a text in UTF-8, or another message. */
  bytes(field: number, bytes: Uint8Array): void {
    this.#number(field * 8 + BYTES);
    this.#number(bytes.length);
    this.#append(bytes);
  }

  /** The message so far. */
  finished(): Uint8Array {
    return this.#bytes.slice(0, this.#size);
  }

  #number(value: number): void {
    const bytes: number[] = [];
    for (; value > 0x7f; value = Math.floor(value / 0x80)) bytes.push(value % 0x80 + 0x80);
    this.#append([...bytes, value]);
  }

  #append(bytes: ArrayLike<number>): void {
    const end = this.#size + bytes.length;
    if (end > this.#bytes.length) {
      const longer = new Uint8Array(2 * end);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes.set(bytes, this.#size);
    this.#size = end;
  }
}
