@echo off
rem Double-click on Windows: finds a Python, starts Med42 Chat, and keeps the window open when something went wrong.
setlocal
cd /d "%~dp0"

rem The launcher first: it knows every installed Python. "python" alone may be the Microsoft Store's placeholder, which fails this check.
for %%P in ("py -3" "py -3.14" "py -3.13" "py -3.12" "py -3.11" "python" "python3") do (
    %%~P -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>nul && (
        set "PYTHON=%%~P"
        goto found
    )
)
echo Med42 Chat needs Python 3.11 or newer, and none was found.
echo Get it from https://www.python.org/downloads/ and tick "Add python.exe to PATH", then open start.bat again.
pause
exit /b 1

:found
%PYTHON% start.py %*
if errorlevel 1 (
    pause
    exit /b 1
)
