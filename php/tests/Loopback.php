<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use RRJobs\Goridge\Relay;

/**
 * A relay within this process: the test is the server at its other end.
 */
final class Loopback
{
    public readonly Relay $relay;

    /** @var resource */
    private $server;

    public function __construct()
    {
        [$this->server, $worker] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        stream_set_blocking($this->server, false);
        $this->relay = new Relay($worker, $worker, 5.0);
    }

    public function send(string ...$frames): void
    {
        fwrite($this->server, implode('', $frames));
    }

    public function hangUp(): void
    {
        stream_socket_shutdown($this->server, STREAM_SHUT_WR);
    }

    /**
     * What the worker has written.
     */
    public function bytes(): string
    {
        return (string) stream_get_contents($this->server);
    }

    /**
     * @return list<array{flags: int, stream: int, options: list<int>, payload: string}>
     */
    public function frames(): array
    {
        return Wire::cut($this->bytes());
    }
}
