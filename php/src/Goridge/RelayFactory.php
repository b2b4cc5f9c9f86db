<?php

declare(strict_types=1);

namespace RRJobs\Goridge;

use RRJobs\Exception\RelayException;

/**
 * Relays from what stands in RR_RELAY and RR_RPC.
 */
final class RelayFactory
{
    private const FORMS = 'pipes, pipes://fd/R:fd/W, tcp://host:port or unix://path';

    /**
     * @param string     $address `pipes` (stdin and stdout), `pipes://fd/R:fd/W` (inherited descriptors), `tcp://host:port`
     *                            or `unix://path`
     * @param float      $connect seconds a socket may take to connect
     * @param float|null $timeout seconds a read or a write on a socket may wait
     *
     * @throws RelayException
     */
    public static function open(string $address, float $connect = 5.0, ?float $timeout = null): Relay
    {
        if ($address === 'pipes' || $address === '') {
            return new Relay(self::stream('fd/0', 'rb'), self::stream('fd/1', 'wb'));
        }
        [$kind, $rest] = \explode('://', $address, 2) + [1 => ''];
        if ($kind === 'pipes' && \preg_match('~^(fd/\d+|stdin):(fd/\d+|stdout)$~', $rest, $names) === 1) {
            return new Relay(self::stream($names[1], 'rb'), self::stream($names[2], 'wb'));
        }
        if (($kind === 'tcp' || $kind === 'unix') && $rest !== '') {
            $socket = self::connect($kind, $rest, $connect);

            return new Relay($socket, $socket, $timeout);
        }
        throw new RelayException("unsupported address '{$address}': " . self::FORMS);
    }

    /**
     * @return resource
     */
    private static function stream(string $name, string $mode)
    {
        $stream = @\fopen('php://' . $name, $mode);
        if ($stream === false) {
            throw new RelayException("cannot open php://{$name}: is the worker started by the server?");
        }

        return $stream;
    }

    /**
     * @return resource
     */
    private static function connect(string $kind, string $rest, float $seconds)
    {
        $address = $kind . '://' . ($kind === 'tcp' && $rest[0] === ':' ? '127.0.0.1' . $rest : $rest);
        $context = \stream_context_create(['socket' => ['tcp_nodelay' => true]]);
        $socket = @\stream_socket_client($address, $code, $reason, $seconds, \STREAM_CLIENT_CONNECT, $context);
        if ($socket === false) {
            throw new RelayException("cannot connect to {$address}: {$reason}");
        }

        return $socket;
    }
}
