import { spawn } from 'node:child_process';
import { once } from 'node:events';

type Messenger = readonly [program: string, args: (socket: string, message: string) => string[]];

/** Sends its second argument to the socket that the first one names, `@` standing for the abstract namespace. */
const pythonScript =
  'import re, socket, sys; ' +
  'socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), re.sub("^@", "\\0", sys.argv[1]))';
const perlScript =
  'my ($name, $text) = @ARGV; $name =~ s/^@/\\0/; socket(my $out, AF_UNIX, SOCK_DGRAM, 0) or die; ' +
  'defined send($out, $text, 0, pack_sockaddr_un($name)) or die "$!"';

/**
 * Programs that send a datagram to a UNIX socket, which Node has no means for, in the order in which they are looked
 * for. systemd's own comes first: it waits until the manager has seen who it is.
 */
const messengers: readonly Messenger[] = [
  ['systemd-notify', (_socket, message) => message.split('\n')],
  ['python3', (socket, message) => ['-c', pythonScript, socket, message]],
  ['perl', (socket, message) => ['-MSocket', '-e', perlScript, socket, message]],
];

/**
 * Tells the service manager that waits at `NOTIFY_SOCKET` that this process serves. Nothing happens without one.
 * @returns a sentence when there is no program that could tell it
 */
export async function notifyReady(environment: NodeJS.ProcessEnv, processId: number): Promise<string | null> {
  const socket = environment['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return null;
  const message = `READY=1\nMAINPID=${processId}`;
  for (const [program, args] of messengers) {
    const child = spawn(program, args(socket, message), { env: environment, stdio: 'ignore' });
    // systemd-notify waits for its manager; the daemon's own end does not wait for it.
    child.unref();
    const started = await once(child, 'close').then(
      () => true,
      () => false,
    );
    if (started) return null;
  }
  const names = messengers.map(([program]) => program).join(', ');
  return `warning: could not tell NOTIFY_SOCKET=${socket} that the daemon is ready: it takes one of ${names}`;
}
