<?php

declare(strict_types=1);

namespace RRJobs\Http;

use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestFactoryInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Message\StreamFactoryInterface;
use Psr\Http\Message\StreamInterface;
use Psr\Http\Message\UploadedFileFactoryInterface;
use Psr\Http\Message\UploadedFileInterface;
use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\RelayException;
use RRJobs\Worker;

/**
 * Takes HTTP requests and answers them, as PSR-7 objects made by your PSR-17 factories.
 */
final class Psr7Worker
{
    public readonly HttpWorker $http;

    /** @var array<string, mixed> */
    private readonly array $server;

    /**
     * @param int $streamAbove bodies of more bytes, and of unknown size, are sent in parts of so many bytes; 0 sends every
     *                         body whole
     */
    public function __construct(
        Worker|HttpWorker $worker,
        private readonly ServerRequestFactoryInterface $requests,
        private readonly StreamFactoryInterface $streams,
        private readonly UploadedFileFactoryInterface $files,
        private readonly int $streamAbove = 0,
    ) {
        $this->http = $worker instanceof HttpWorker ? $worker : new HttpWorker($worker);
        $this->server = $_SERVER;
    }

    /**
     * The next request; null when the worker has to end.
     *
     * @throws RelayException
     */
    public function waitRequest(): ?ServerRequestInterface
    {
        $request = $this->http->waitRequest();

        return $request === null ? null : $this->psr($request);
    }

    /**
     * Answer each request with what the handler returns, until the server ends the worker. What it throws fails that request
     * alone.
     *
     * @param callable(ServerRequestInterface): ResponseInterface $handler
     *
     * @throws RelayException
     */
    public function serve(callable $handler): void
    {
        while (($request = $this->http->waitRequest()) !== null) {
            try {
                $this->respond($handler($this->psr($request)), true);
            } catch (RelayException $gone) {
                throw $gone;
            } catch (\Throwable $error) {
                $this->error((string) $error);
            }
        }
    }

    /**
     * @param bool $done see {@see Worker::respond}
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function respond(ResponseInterface $response, bool $done = false): void
    {
        $body = $response->getBody();
        $size = $body->getSize();
        $whole = $this->streamAbove === 0 || ($size !== null && $size <= $this->streamAbove);
        $this->http->respond(
            $response->getStatusCode(),
            $whole ? (string) $body : $this->parts($body),
            $response->getHeaders(),
            $done,
        );
    }

    /**
     * @throws RelayException
     */
    public function error(string|\Stringable $message): void
    {
        $this->http->error($message);
    }

    /**
     * The same request as a PSR-7 object.
     */
    public function psr(Request $request): ServerRequestInterface
    {
        $psr = $this->requests->createServerRequest($request->method, $request->uri, $this->serverParams($request))
            ->withProtocolVersion(self::version($request->protocol))
            ->withCookieParams($request->cookies)
            ->withQueryParams($request->query());
        foreach ($request->headers as $name => $values) {
            $psr = $psr->withHeader($name, $values);
        }
        foreach ($request->attributes as $name => $value) {
            $psr = $psr->withAttribute((string) $name, $value);
        }
        if ($request->uploads !== []) {
            $psr = $psr->withUploadedFiles($this->files($request->files()));
        }
        if ($request->parsed) {
            $psr = $psr->withParsedBody($request->form());
        }

        return $request->body === '' ? $psr : $psr->withBody($this->streams->createStream($request->body));
    }

    /**
     * What $_SERVER would hold under another server.
     *
     * @return array<string, mixed>
     */
    private function serverParams(Request $request): array
    {
        $now = \microtime(true);
        $server = [
            'REQUEST_METHOD' => $request->method,
            'REQUEST_URI' => $request->uri,
            'QUERY_STRING' => $request->rawQuery,
            'SERVER_PROTOCOL' => $request->protocol,
            'REMOTE_ADDR' => (string) ($request->attributes['ipAddress'] ?? $request->remoteAddr),
            'REQUEST_TIME' => (int) $now,
            'REQUEST_TIME_FLOAT' => $now,
        ];
        foreach ($request->headers as $name => $values) {
            $key = \strtr(\strtoupper($name), '-', '_');
            $key = $key === 'CONTENT_TYPE' || $key === 'CONTENT_LENGTH' ? $key : 'HTTP_' . $key;
            $server[$key] = \implode(', ', $values);
        }

        return $server + $this->server;
    }

    /**
     * @param array<mixed> $tree
     *
     * @return array<mixed>
     */
    private function files(array $tree): array
    {
        return \array_map(fn ($node) => \is_array($node) ? $this->files($node) : $this->file($node), $tree);
    }

    private function file(Upload $file): UploadedFileInterface
    {
        $stream = $file->error === \UPLOAD_ERR_OK
            ? $this->streams->createStreamFromFile($file->path)
            : $this->streams->createStream();

        return $this->files->createUploadedFile($stream, $file->size, $file->error, $file->name, $file->mime);
    }

    /**
     * @return \Generator<string>
     */
    private function parts(StreamInterface $body): \Generator
    {
        if ($body->isSeekable()) {
            $body->rewind();
        }
        while (!$body->eof()) {
            yield $body->read($this->streamAbove);
        }
    }

    private static function version(string $protocol): string
    {
        $version = \substr($protocol, 5);

        return match ($version) {
            '1.0', '1.1', '2', '3' => $version,
            '2.0' => '2',
            '3.0' => '3',
            default => '1.1',
        };
    }
}
