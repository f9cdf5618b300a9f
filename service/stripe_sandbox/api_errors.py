"""Create API errors with Stripe's messages and codes: https://docs.stripe.com/api/errors."""

from typing import Any


class ApiError(Exception):
    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.param, self.status, self.type = message, code, param, status, type

    def body(self) -> dict[str, Any]:
        """Return the error object. Fields that do not apply are absent, as at Stripe."""
        error = {"code": self.code, "message": self.message, "param": self.param, "type": self.type}
        if self.code:
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": {name: value for name, value in error.items() if value is not None}}


def unauthorized(message: str, code: str | None = None) -> ApiError:
    return ApiError(message, code=code, status=401)


def no_such(kind: str, id: str, param: str, status: int = 404) -> ApiError:
    return ApiError(f"No such {kind}: '{id}'", code="resource_missing", param=param, status=status)


def missing_param(param: str) -> ApiError:
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def invalid_integer(given: str, param: str) -> ApiError:
    return ApiError(f"Invalid integer: {given}", code="parameter_invalid_integer", param=param)


def internal_error() -> ApiError:
    return ApiError("An unknown error occurred in the sandbox.", status=500, type="api_error")


def unsupported(param: str) -> ApiError:
    return ApiError(
        f"Stripe accepts {param}; the sandbox does not support it.", code="sandbox_unsupported", param=param
    )
