/**
 * What can go wrong on the client's side:
 *
 *     QmpError
 *     ├── ConnectionError    the socket could not be opened, or closed while a reply was awaited
 *     ├── ProtocolError      the peer sent something that is no QMP
 *     ├── TimeoutError       no reply, or no event, within the time that the caller gave
 *     └── CommandFailed      the peer answered with an error: its class and sentence
 */
class QmpError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

export class ConnectionError extends QmpError {}

export class ProtocolError extends QmpError {}

export class TimeoutError extends QmpError {}

export class CommandFailed extends QmpError {
  /** The command that failed. */
  readonly command: string;
  /** One of QMP's five classes, `GenericError` for instance. */
  readonly errorClass: string;
  /** The peer's sentence; for people, not to be parsed. */
  readonly desc: string;

  constructor(command: string, errorClass: string, desc: string) {
    super(`${command}: ${desc}`);
    this.command = command;
    this.errorClass = errorClass;
    this.desc = desc;
  }
}
