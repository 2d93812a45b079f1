/**
 * What a session talks to: one client's two byte streams, seen from above. A socket, standard input and output, or an
 * array in a test implements it, so that every rule of the protocol runs without a file descriptor.
 */
export interface Transport {
  /** Takes ASCII text for the client. Never blocks and never refuses: `unsent` tells the caller when to hold back. */
  write(text: string): void;

  /** Characters taken by `write` that the client's side has not accepted yet. */
  readonly unsent: number;

  /** Deliver no more input until `resumeInput`. Calling it twice is calling it once. */
  pauseInput(): void;

  /** Deliver input again. */
  resumeInput(): void;

  /** Ends our side of the conversation once everything written has gone out. */
  end(): void;

  /** Drops the connection and whatever was not sent. */
  destroy(): void;
}

/** What a transport calls: all that can happen to a client's connection. */
export interface TransportUser {
  /** Bytes came in. The buffer is the callee's. */
  receive(bytes: Uint8Array): void;

  /** The client ended its side (SHUT_WR); it may still read. */
  inputEnded(): void;

  /** Some of the unsent text has gone out; `unsent` is smaller than before. */
  drained(): void;

  /** The connection is gone in both directions. Called once, and the last of all calls. */
  closed(): void;
}
