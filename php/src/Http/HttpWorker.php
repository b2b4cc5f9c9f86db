<?php

declare(strict_types=1);

namespace RRJobs\Http;

use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Goridge\Frame;
use RRJobs\Headers;
use RRJobs\Payload;
use RRJobs\Worker;

/**
 * Takes HTTP requests and answers them.
 */
final class HttpWorker
{
    private readonly Codec $json;
    private readonly Codec $proto;

    /** The codec of the request that is being answered: its answer is in the same one. */
    private Codec $codec;

    private readonly Streamer $streamer;

    public function __construct(public readonly Worker $worker)
    {
        $this->json = $this->codec = new JsonCodec();
        $this->proto = new ProtoCodec();
        $this->streamer = new Streamer($worker);
    }

    public static function create(): self
    {
        return new self(Worker::create());
    }

    /**
     * The next request; null when the worker has to end. A context that cannot be read is answered with an error.
     *
     * @throws RelayException
     */
    public function waitRequest(): ?Request
    {
        while (($payload = $this->worker->waitPayload()) !== null) {
            try {
                return $this->request($payload);
            } catch (ProtocolException $wrong) {
                $this->worker->error($wrong->getMessage());
            }
        }

        return null;
    }

    /**
     * The request in a payload; answers are in its codec from now on.
     *
     * @throws ProtocolException
     */
    public function request(Payload $payload): Request
    {
        $this->codec = $this->codecOf($payload);

        return $this->codec->request($payload);
    }

    /**
     * Answer each request with what the handler returns, until the server ends the worker. What it throws fails that request
     * alone.
     *
     * @param callable(Request): Response $handler
     *
     * @throws RelayException
     */
    public function serve(callable $handler): void
    {
        while (($request = $this->waitRequest()) !== null) {
            try {
                $this->send($handler($request));
            } catch (RelayException $gone) {
                throw $gone;
            } catch (\Throwable $error) {
                $this->error((string) $error);
            }
        }
    }

    /**
     * Answer the request, and be done with it.
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function send(Response $response): void
    {
        $this->respond($response->status, $response->body, $response->headers, true);
    }

    /**
     * Answer the request.
     *
     * @param string|\Stringable|iterable<string|\Stringable>     $body    parts of an iterable are sent as they come; a
     *                                                                     generator's return value is its last part
     * @param array<string, string|int|float|list<string|int|float>> $headers
     * @param bool                                                $done    see {@see Worker::respond}
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function respond(
        int $status,
        string|\Stringable|iterable $body = '',
        array $headers = [],
        bool $done = false,
    ): void {
        if ($status < 200 || $status > 599) {
            throw new \InvalidArgumentException("an answer ends with a status of 200 to 599, not {$status}; see interim()");
        }
        $head = $this->codec->head($status, Headers::lists($headers));
        if (\is_string($body) || $body instanceof \Stringable) {
            $this->worker->respond($head, (string) $body, $this->codec->flag(), $done);
        } else {
            $this->streamer->send($head, $body, $this->codec->flag(), $done);
        }
    }

    /**
     * Send an interim answer (100, 102, 103 early hints) before the answer itself.
     *
     * @param array<string, string|int|float|list<string|int|float>> $headers
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function interim(int $status, array $headers = []): void
    {
        if ($status < 100 || $status > 199) {
            throw new \InvalidArgumentException("an interim answer has a status of 100 to 199, not {$status}");
        }
        $this->worker->stream($this->codec->head($status, Headers::lists($headers)), '', $this->codec->flag());
    }

    /**
     * Fail the request: the client gets the server's `internal_error_code`, the server logs the message.
     *
     * @throws RelayException
     */
    public function error(string|\Stringable $message): void
    {
        $this->worker->error((string) $message);
    }

    /**
     * The codec by the frame's flag; servers of 2023 set none, and send JSON.
     */
    private function codecOf(Payload $payload): Codec
    {
        if ($payload->flags & Frame::PROTO) {
            return $this->proto;
        }
        if ($payload->flags & Frame::JSON) {
            return $this->json;
        }

        return ($payload->context[0] ?? '') === '{' ? $this->json : $this->proto;
    }
}
