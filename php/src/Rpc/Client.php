<?php

declare(strict_types=1);

namespace RRJobs\Rpc;

use RRJobs\Environment;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Exception\ServiceException;
use RRJobs\Goridge\Frame;
use RRJobs\Goridge\FrameReader;
use RRJobs\Goridge\Relay;
use RRJobs\Goridge\RelayFactory;

/**
 * Calls the server's methods.
 *
 * The connection is made with the first call and made anew after it broke. A call that failed with a RelayException may have
 * been carried out.
 */
final class Client
{
    /** What may be under way at once: less than the server holds unread, so neither side can wait for the other for ever. */
    private const MAX_WAITING_CALLS = 32;
    private const MAX_WAITING_BYTES = 65536;

    private static int $sequence = 0;

    private ?Relay $relay = null;
    private ?FrameReader $reader = null;

    /**
     * @param string $address `tcp://host:port` or `unix://path`
     * @param float  $connect seconds a connection may take
     * @param float  $timeout seconds the server may stay silent while a call waits
     */
    public function __construct(
        public readonly string $address,
        private readonly float $connect = 5.0,
        private readonly float $timeout = 120.0,
    ) {
    }

    /**
     * A client of the server that runs this worker.
     */
    public static function create(): self
    {
        return new self(Environment::rpc());
    }

    /**
     * @param string $method `service.Method`
     *
     * @return mixed the decoded value with JSON, bytes with the other codecs
     *
     * @throws ServiceException  the server refused the call
     * @throws RelayException    the server is not there, or did not answer in time
     * @throws ProtocolException what came back is no answer to this call
     */
    public function call(string $method, mixed $argument = null, Codec $codec = Codec::Json): mixed
    {
        $result = $this->callMany([[$method, $argument]], $codec)[0];

        return $result instanceof ServiceException ? throw $result : $result;
    }

    /**
     * Make several calls without waiting for each answer before the next.
     *
     * @param iterable<array{string, mixed}> $calls methods with their arguments
     *
     * @return list<mixed> the results in the order of the calls; for a refused call its ServiceException
     *
     * @throws RelayException|ProtocolException
     */
    public function callMany(iterable $calls, Codec $codec = Codec::Json): array
    {
        $results = $waiting = [];
        $bytes = '';
        foreach ($calls as [$method, $argument]) {
            $sequence = self::$sequence = (self::$sequence + 1) & 0xFFFFFFFF;
            $frame = Frame::rpc($sequence, $method, $codec->encode($argument), $codec->value);
            if ($waiting !== []
                && (\count($waiting) >= self::MAX_WAITING_CALLS || \strlen($bytes . $frame) > self::MAX_WAITING_BYTES)) {
                \array_push($results, ...$this->exchange($bytes, $waiting, $codec));
                $waiting = [];
                $bytes = '';
            }
            $bytes .= $frame;
            $waiting[$sequence] = $method;
        }
        if ($waiting !== []) {
            \array_push($results, ...$this->exchange($bytes, $waiting, $codec));
        }

        return $results;
    }

    public function close(): void
    {
        $this->relay?->close();
        $this->relay = $this->reader = null;
    }

    /**
     * Write calls in one go and read their answers, which come in any order.
     *
     * @param array<int, string> $waiting sequence numbers and methods
     *
     * @return list<mixed>
     */
    private function exchange(string $bytes, array $waiting, Codec $codec): array
    {
        $done = false;
        $results = \array_fill_keys(\array_keys($waiting), null);
        try {
            $reader = $this->open();
            $this->relay->write($bytes);
            while ($waiting !== []) {
                $frame = $reader->next() ?? throw new RelayException("{$this->address} closed the connection");
                if ($frame->words !== 5 || !isset($waiting[$frame->option])) {
                    throw new ProtocolException("{$this->address} answered what was not asked");
                }
                $results[$frame->option] = $this->result($frame, $waiting[$frame->option], $codec);
                unset($waiting[$frame->option]);
            }
            $done = true;
        } finally {
            if (!$done) {
                $this->close();
            }
        }

        return \array_values($results);
    }

    private function open(): FrameReader
    {
        if ($this->relay?->readable()) {
            $this->close(); // nothing was asked, so this can only be the end of the connection
        }
        if ($this->reader === null) {
            $this->relay = RelayFactory::open($this->address, $this->connect, $this->timeout);
            $this->reader = new FrameReader($this->relay);
        }

        return $this->reader;
    }

    private function result(Frame $frame, string $method, Codec $codec): mixed
    {
        $body = \substr($frame->payload, $frame->secondOption);
        if ($frame->flags & Frame::ERROR) {
            return new ServiceException($method, $body, $this->address);
        }
        if (($frame->flags & $codec->value) === 0) {
            throw new ProtocolException("{$this->address} answered {$method} in another codec");
        }
        try {
            return $codec->decode($body);
        } catch (\JsonException $wrong) {
            throw new ProtocolException("{$this->address} answered {$method} with no JSON", 0, $wrong);
        }
    }
}
