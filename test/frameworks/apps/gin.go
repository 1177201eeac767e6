package apps

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

func ginApp() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard))
	r.HandleMethodNotAllowed = true

	r.GET("/hello/:name", func(c *gin.Context) {
		c.String(http.StatusOK, "%s, %s", c.Query("greeting"), c.Param("name"))
	})
	r.GET("/tree/*path", func(c *gin.Context) { c.String(http.StatusOK, c.Param("path")) })
	r.POST("/json", func(c *gin.Context) {
		var n note
		if err := c.ShouldBindJSON(&n); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusCreated, n)
	})
	r.POST("/upload", func(c *gin.Context) {
		header, err := c.FormFile("file")
		if err != nil {
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		c.String(http.StatusOK, "%s of %d bytes, %s", header.Filename, header.Size, c.PostForm("title"))
	})
	r.GET("/events", func(c *gin.Context) {
		i := 0
		c.Stream(func(w io.Writer) bool {
			c.SSEvent("tick", i)
			i++
			return i < 3
		})
	})
	r.GET("/panic", func(c *gin.Context) { panic("to order") })
	r.GET("/page", func(c *gin.Context) { c.Data(http.StatusOK, "text/html", page()) })
	r.GET("/moved", func(c *gin.Context) { c.Redirect(http.StatusFound, "/elsewhere") })
	r.GET("/cookie", func(c *gin.Context) {
		c.SetCookie("a", "1", 60, "/", "", false, true)
		c.Status(http.StatusNoContent)
	})
	r.GET("/slow", func(c *gin.Context) {
		select {
		case <-c.Request.Context().Done():
		case <-time.After(10 * time.Millisecond):
			c.JSON(http.StatusGatewayTimeout, gin.H{"error": fmt.Sprint("after ", 10)})
		}
	})
	private := r.Group("/private", gin.BasicAuth(gin.Accounts{"user": "secret"}))
	private.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "welcome") })
	return r
}
