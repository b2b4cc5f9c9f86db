<?php

declare(strict_types=1);

namespace RRJobs\Http;

use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\RelayException;
use RRJobs\Exception\StreamStoppedException;
use RRJobs\Worker;

/**
 * Sends an answer part by part.
 *
 * The head goes with the first part. When nobody listens any more, a generator gets a StreamStoppedException at its yield.
 * What the program throws goes up to the caller, who fails the request; the server then breaks the client's connection off.
 */
final class Streamer
{
    public function __construct(private readonly Worker $worker)
    {
    }

    /**
     * @param iterable<string|\Stringable> $parts
     * @param bool                         $done  see {@see Worker::respond}
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function send(string $head, iterable $parts, int $flags, bool $done = false): void
    {
        foreach ($parts as $part) {
            if (!$this->worker->stream($head, (string) $part, $head === '' ? 0 : $flags)) {
                $this->stopped($parts);
                $this->worker->respond('', done: $done);

                return;
            }
            $head = '';
        }
        $last = $parts instanceof \Generator ? (string) $parts->getReturn() : '';
        $this->worker->respond($head, $last, $head === '' ? 0 : $flags, $done);
    }

    /**
     * @param iterable<mixed> $parts
     */
    private function stopped(iterable $parts): void
    {
        if (!$parts instanceof \Generator) {
            return;
        }
        try {
            $parts->throw(new StreamStoppedException('nobody listens to the stream any more'));
        } catch (StreamStoppedException) {
            return;
        }
    }
}
