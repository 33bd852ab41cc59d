import { unescapeBytes, unescapeUnicode } from "./_escapes.ts";
import { PickleInput } from "./_input.ts";
import { decodeInteger } from "./_integer.ts";
import type { PickleLimits } from "./limits.ts";
import { PickleMemo } from "./_memo.ts";
import { isPythonFloat, parseDecimal, parseFloatText, parseInt0, parseLong } from "./_number_text.ts";
import { type GlobalListener, PickleObjects } from "./_objects.ts";
import { OPCODES as OP } from "./opcodes.ts";
import { PickleStack } from "./_stack.ts";
import { Step } from "./_step.ts";
import { decodeLatin1, isAscii } from "./_utf8.ts";
import { ByteArray, PersistentId, PickleFloat, type PickleValue } from "./value.ts";

const HIGHEST_PROTOCOL = 5;

/** To `strtol`, nothing before a NUL is 0. */
const INT = { isOthers: (text: string, isCut: boolean) => isCut && text === "" };
const FLOAT = { isOthers: isPythonFloat };

/**
 * The machine that a pickle is a program for, after CPython 3.11 Modules/_pickle.c (the `load_*` functions):
 * the same opcodes, fence and memo, but nothing is imported and nothing is called.
 */
export class PickleMachine {
  readonly #step = new Step();
  readonly #limits: PickleLimits;
  readonly #input: PickleInput;
  readonly #stack: PickleStack;
  readonly #memo: PickleMemo;
  readonly #objects: PickleObjects;
  readonly #start: number;

  constructor(bytes: Uint8Array, start: number, limits: PickleLimits, onGlobal: GlobalListener | undefined) {
    this.#start = start;
    this.#limits = limits;
    this.#input = new PickleInput(bytes, start, this.#step, limits);
    this.#stack = new PickleStack(this.#step, limits);
    this.#memo = new PickleMemo(this.#step, limits);
    this.#objects = new PickleObjects(this.#step, this.#stack, limits, onGlobal);
  }

  /** Where the next opcode is; after {@linkcode run}, where the pickle ends. In bytes from the input's start. */
  get position(): number {
    return this.#input.position;
  }

  /** Runs the pickle up to its STOP and gives the value that it describes. */
  run(): PickleValue {
    const step = this.#step;
    for (let count = 1;; count++) {
      step.offset = this.#input.position - this.#start;
      const code = this.#input.next();
      if (code === undefined) throw step.end();
      step.code = code;
      if (count > this.#limits.opcodes) {
        throw step.error(`the pickle has more than ${this.#limits.opcodes} opcodes`);
      }
      if (code === OP.STOP) {
        this.#input.endFrame();
        return this.#stack.pop();
      }
      this.#execute(code);
    }
  }

  #execute(code: number): void {
    const input = this.#input;
    const stack = this.#stack;
    switch (code) {
      case OP.PROTO:
        return this.#proto(input.uint8());
      case OP.FRAME:
        return input.frame();

      case OP.NONE:
        return stack.push(null);
      case OP.NEWTRUE:
        return stack.push(true);
      case OP.NEWFALSE:
        return stack.push(false);

      case OP.BININT:
        return stack.push(input.int32());
      case OP.BININT1:
        return stack.push(input.uint8());
      case OP.BININT2:
        return stack.push(input.uint16());
      case OP.LONG1:
        return this.#integer(input.uint8());
      case OP.LONG4:
        return this.#integer(input.int32());
      case OP.INT:
        return stack.push(input.number(parseInt0, INT));
      case OP.LONG:
        return stack.push(input.number(parseLong, { suffix: true }));
      case OP.BINFLOAT:
        return stack.push(new PickleFloat(input.float64()));
      case OP.FLOAT:
        return stack.push(new PickleFloat(input.number(parseFloatText, FLOAT)));

      case OP.SHORT_BINUNICODE:
        return stack.push(input.utf8(input.uint8()));
      case OP.BINUNICODE:
        return stack.push(input.utf8(input.uint32()));
      case OP.BINUNICODE8:
        return stack.push(input.utf8(input.length64()));
      case OP.UNICODE:
        return stack.push(this.#unescaped(unescapeUnicode(input.line())));
      case OP.SHORT_BINSTRING:
        return this.#string(input.text(input.uint8()));
      case OP.BINSTRING:
        return this.#string(input.text(input.uint32()));
      case OP.STRING:
        return this.#string(this.#unescaped(unescapeBytes(this.#unquote(input.line()))));

      case OP.SHORT_BINBYTES:
        return this.#objects.make(input.copy(input.uint8()));
      case OP.BINBYTES:
        return this.#objects.make(input.copy(input.uint32()));
      case OP.BINBYTES8:
        return this.#objects.make(input.copy(input.length64()));
      case OP.BYTEARRAY8:
        return this.#objects.make(new ByteArray(input.copy(input.length64())));
      case OP.NEXT_BUFFER:
        throw this.#step.error("there are no out-of-band buffers", "malformed");
      case OP.READONLY_BUFFER: {
        const top = stack.isEmpty ? null : stack.top();
        // A str of Python 2 is bytes where the reader is told so (encoding="bytes").
        const isObject = (typeof top === "object" && top !== null) || typeof top === "string";
        throw this.#step.error("there are no out-of-band buffers", isObject ? "refused" : "malformed");
      }

      case OP.EMPTY_TUPLE:
        return this.#objects.tuple([]);
      case OP.TUPLE1:
        return this.#objects.tuple(stack.popMany(1));
      case OP.TUPLE2:
        return this.#objects.tuple(stack.popMany(2));
      case OP.TUPLE3:
        return this.#objects.tuple(stack.popMany(3));
      case OP.TUPLE:
        return this.#objects.tuple(stack.popMark());
      case OP.EMPTY_LIST:
        return this.#objects.make([]);
      case OP.LIST:
        return this.#objects.make(stack.popMark());
      case OP.EMPTY_DICT:
        return this.#objects.make(new Map());
      case OP.DICT:
        return this.#objects.dict(stack.popMark());
      case OP.EMPTY_SET:
        return this.#objects.make(new Set());
      case OP.FROZENSET:
        return this.#objects.frozenSet(stack.popMark());

      case OP.APPEND:
        return this.#objects.append(stack.popMany(1));
      case OP.APPENDS:
        return this.#objects.append(stack.popMark());
      case OP.SETITEM:
        return this.#objects.setItems(stack.popMany(2));
      case OP.SETITEMS:
        return this.#objects.setItems(stack.popMark());
      case OP.ADDITEMS:
        return this.#objects.addItems(stack.popMark());

      case OP.MARK:
        return stack.mark();
      case OP.POP:
        return stack.drop();
      case OP.POP_MARK:
        return void stack.popMark();
      case OP.DUP:
        return stack.push(stack.top());

      case OP.PUT:
        return this.#putByText();
      case OP.BINPUT:
        return this.#put(input.uint8());
      case OP.LONG_BINPUT:
        return this.#put(input.uint32());
      case OP.MEMOIZE:
        return this.#put(this.#memo.size);
      case OP.GET:
        return this.#getByText();
      case OP.BINGET:
        return stack.push(this.#memo.get(input.uint8()));
      case OP.LONG_BINGET:
        return stack.push(this.#memo.get(input.uint32()));

      case OP.GLOBAL:
        return this.#objects.global(input.name(), input.name());
      case OP.STACK_GLOBAL:
        return this.#objects.stackGlobal(stack.popMany(2));
      case OP.INST:
        return this.#objects.inst(input.asciiName(), input.asciiName());
      case OP.OBJ:
        return this.#objects.obj(stack.popMark());
      case OP.REDUCE:
        return this.#objects.reduce("call", stack.popMany(2));
      case OP.NEWOBJ:
        return this.#objects.reduce("new", stack.popMany(2));
      case OP.NEWOBJ_EX:
        return this.#objects.reduce("new_ex", stack.popMany(3));
      case OP.BUILD:
        return this.#objects.build(stack.pop());
      case OP.EXT1:
        return this.#extension(input.uint8());
      case OP.EXT2:
        return this.#extension(input.uint16());
      case OP.EXT4:
        return this.#extension(input.int32());
      case OP.PERSID:
        return this.#objects.persistentId(input.line());
      case OP.BINPERSID:
        return this.#objects.make(new PersistentId(stack.pop()));

      default:
        throw this.#step.error("no protocol has it", "malformed");
    }
  }

  #proto(protocol: number): void {
    if (protocol > HIGHEST_PROTOCOL) {
      throw this.#step.error(
        `protocol ${protocol} is above ${HIGHEST_PROTOCOL}, the highest that is known`,
        "malformed",
      );
    }
  }

  #integer(length: number): void {
    if (length < 0) throw this.#step.error(`the length ${length} is negative`);
    this.#input.require(length);
    if (length > this.#limits.integerBytes) {
      throw this.#step.error(`the integer has ${length} bytes, more than ${this.#limits.integerBytes}`);
    }
    this.#stack.push(decodeInteger(this.#input.view(length)));
  }

  #unescaped<T>(text: T | undefined): T {
    if (text === undefined) throw this.#step.error("an escape in the text is broken", "malformed");
    return text;
  }

  /** A `str` of Python 2, which is text or bytes: nothing says which, so it is text just where it is ASCII. */
  #string(bytes: Uint8Array): void {
    if (isAscii(bytes)) this.#stack.push(decodeLatin1(bytes));
    else this.#objects.make(new Uint8Array(bytes));
  }

  #unquote(line: Uint8Array): Uint8Array {
    const quote = line[0];
    if (line.length < 2 || (quote !== 0x27 && quote !== 0x22) || line[line.length - 1] !== quote) {
      throw this.#step.error("the text is not quoted", "malformed");
    }
    return line.subarray(1, line.length - 1);
  }

  // A closure in #execute would cost an allocation for each opcode.
  #putByText(): void {
    this.#put(this.#input.number(parseDecimal, { isUseless: () => this.#stack.isEmpty }));
  }

  #getByText(): void {
    const isUseless = (index: number | bigint) => !this.#memo.has(index);
    this.#stack.push(this.#memo.get(this.#input.number(parseDecimal, { isUseless })));
  }

  #put(index: number | bigint): void {
    this.#memo.put(index, this.#stack.top());
  }

  #extension(code: number): void {
    throw this.#step.error(`extension code ${code} is of no use without a registry`);
  }
}
