<?php

declare(strict_types=1);

namespace RRJobs\Http;

/**
 * One HTTP request.
 */
final class Request
{
    /** @var array<int|string, mixed>|null */
    private ?array $query = null;

    /**
     * @param string                      $remoteAddr the client's IP
     * @param string                      $protocol   `HTTP/1.1`, ...
     * @param string                      $uri        absolute: scheme, host, path and query
     * @param array<string, list<string>> $headers    canonical name (`X-Forwarded-For`) to values; Host is in `uri` only
     * @param array<string, string>       $cookies
     * @param string                      $rawQuery   the query as it came
     * @param array<string, mixed>        $attributes what middleware of the server says about the request
     * @param string                      $body       the bytes; with `parsed`, JSON of the form's fields
     * @param bool                        $parsed     whether the server decoded a form, see {@see form}
     * @param array<mixed>                $uploads    uploaded files, nested as their names say, see {@see files}
     */
    public function __construct(
        public readonly string $remoteAddr,
        public readonly string $protocol,
        public readonly string $method,
        public readonly string $uri,
        public readonly array $headers = [],
        public readonly array $cookies = [],
        public readonly string $rawQuery = '',
        public readonly array $attributes = [],
        public readonly string $body = '',
        public readonly bool $parsed = false,
        public readonly array $uploads = [],
    ) {
    }

    /**
     * The decoded path, without the query; `/` at least.
     */
    public function path(): string
    {
        $path = \parse_url($this->uri, \PHP_URL_PATH);

        return \is_string($path) && $path !== '' ? \rawurldecode($path) : '/';
    }

    /**
     * The query, as $_GET would have it.
     *
     * @return array<int|string, mixed>
     */
    public function query(): array
    {
        if ($this->query === null) {
            \parse_str($this->rawQuery, $this->query);
        }

        return $this->query;
    }

    /**
     * The values of a header, joined with `, `; the name in any case.
     */
    public function header(string $name, string $default = ''): string
    {
        $values = $this->headers[$name] ?? $this->headers[\ucwords(\strtolower($name), '-')] ?? null;

        return $values === null ? $default : \implode(', ', $values);
    }

    /**
     * The fields of a form that the server decoded; null when the body is no form, or with `http.raw_body`.
     *
     * @return array<int|string, mixed>|null
     *
     * @throws \JsonException
     */
    public function form(): ?array
    {
        if (!$this->parsed) {
            return null;
        }

        return $this->body === '' ? [] : (array) \json_decode($this->body, true, 512, \JSON_THROW_ON_ERROR);
    }

    /**
     * The body as JSON.
     *
     * @throws \JsonException
     */
    public function json(): mixed
    {
        return \json_decode($this->body, true, 512, \JSON_THROW_ON_ERROR);
    }

    /**
     * The files, as objects.
     *
     * @return array<mixed> Upload objects, nested as the names of their fields say
     */
    public function files(): array
    {
        return Upload::tree($this->uploads);
    }
}
