<?php

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/' . strtr(substr($class, strlen('RRJobs\\Tests\\')), '\\', '/') . '.php';
    if (str_starts_with($class, 'RRJobs\\Tests\\') && is_file($file)) {
        require $file;
    }
});
foreach ([__DIR__ . '/../vendor/autoload.php', '/usr/share/php/Nyholm/Psr7/autoload.php'] as $psr) {
    if (is_file($psr)) {
        require $psr;
        break;
    }
}
