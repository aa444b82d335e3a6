"""The ground all HTTP faces share: unit of work, actor, errors, limits, CSRF, security headers, links."""
