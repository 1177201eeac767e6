package apps

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

func echoApp() http.Handler {
	e := echo.New()
	e.HideBanner = true
	e.Logger.SetOutput(io.Discard)
	e.Use(middleware.Recover(), middleware.Gzip())

	e.GET("/hello/:name", func(c echo.Context) error {
		return c.String(http.StatusOK, c.QueryParam("greeting")+", "+c.Param("name"))
	})
	e.GET("/tree/*", func(c echo.Context) error { return c.String(http.StatusOK, c.Param("*")) })
	e.POST("/json", func(c echo.Context) error {
		var n note
		if err := c.Bind(&n); err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, n)
	})
	e.POST("/upload", func(c echo.Context) error {
		header, err := c.FormFile("file")
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		return c.String(http.StatusOK, fmt.Sprintf("%s of %d bytes, %s", header.Filename, header.Size, c.FormValue("title")))
	})
	e.GET("/events", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentType, "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(c.Response(), "data: %d\n\n", i)
			c.Response().Flush()
		}
		return nil
	})
	e.GET("/panic", func(c echo.Context) error { panic("to order") })
	e.GET("/page", func(c echo.Context) error { return c.HTMLBlob(http.StatusOK, page()) })
	e.GET("/moved", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/elsewhere") })
	e.GET("/cookie", func(c echo.Context) error {
		c.SetCookie(&http.Cookie{Name: "a", Value: "1", HttpOnly: true})
		return c.NoContent(http.StatusNoContent)
	})
	e.GET("/slow", func(c echo.Context) error {
		<-c.Request().Context().Done()
		return c.Request().Context().Err()
	}, middleware.ContextTimeout(10*time.Millisecond))
	private := e.Group("/private", middleware.BasicAuth(func(user, password string, _ echo.Context) (bool, error) {
		return user == "user" && password == "secret", nil
	}))
	private.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "welcome") })
	return e
}
