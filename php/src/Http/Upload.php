<?php

declare(strict_types=1);

namespace RRJobs\Http;

/**
 * One uploaded file. The server deletes `path` after the answer: move it away to keep it.
 */
final class Upload
{
    /**
     * @param string $name  file name from the client, without its directory
     * @param string $mime  type from the client, possibly empty
     * @param int    $size  bytes
     * @param int    $error one of PHP's UPLOAD_ERR constants, 0 for a stored file
     * @param string $path  the temporary file; empty unless the file was stored
     */
    public function __construct(
        public readonly string $name,
        public readonly string $mime,
        public readonly int $size,
        public readonly int $error,
        public readonly string $path,
    ) {
    }

    /**
     * Turn the server's tree of uploads into the same tree with an Upload at each leaf.
     *
     * @param array<mixed> $tree
     *
     * @return array<mixed>
     */
    public static function tree(array $tree): array
    {
        $uploads = [];
        foreach ($tree as $name => $node) {
            if (\is_array($node)) {
                $uploads[$name] = self::isLeaf($node) ? self::leaf($node) : self::tree($node);
            }
        }

        return $uploads;
    }

    /**
     * @param array<mixed> $node
     */
    private static function isLeaf(array $node): bool
    {
        return isset($node['name'], $node['error']) && \is_string($node['name']) && \is_int($node['error']);
    }

    /**
     * @param array<mixed> $node
     */
    private static function leaf(array $node): self
    {
        return new self(
            $node['name'],
            (string) ($node['mime'] ?? ''),
            (int) ($node['size'] ?? 0),
            $node['error'],
            (string) ($node['tmpName'] ?? ''),
        );
    }
}
